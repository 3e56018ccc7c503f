"""Types README's session at a terminal and prints what the terminal shows: readme.py README PROGRAM SERVER.

Every "$ pinwire …" line of the block is run as it stands; a line "yes" of the block is typed when it is asked for."""
import os, pty, re, shlex, sys

readme, program, server = sys.argv[1:]
block = open(readme, encoding="utf-8").read().split("<!-- session -->")[1].split("```console\n")[1].split("```")[0]
os.environ["PINWIRE_SERVER"] = server
os.environ["PATH"] = os.path.dirname(program) + os.pathsep + os.environ["PATH"]

for line in block.splitlines():
    if not line.startswith("$ "):
        continue
    print(line, flush=True)
    child, terminal = pty.fork()
    if child == 0:
        command = shlex.split(line[2:])
        os.execvp(command[0], command)
    shown, typed = b"", False
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux: the other side is closed
            break
        if not part:
            break
        shown += part
        if not typed and b"or the pin:\r\n" in shown:
            typed = True
            os.write(terminal, b"yes\n")
    os.waitpid(child, 0)
    text = shown.decode().replace("\r\n", "\n").replace(server, "127.0.0.1:4433")
    print(re.sub(r"(spki-sha256:)[0-9a-f]{64}", r"\1…", text), end="", flush=True)
