"""Types a session at a terminal and prints what the terminal shows: sessions.py PROGRAM SERVER < BLOCK.

Every "$ …" line of the block is run by a shell as it stands; "yes" is typed where it is asked for."""
import os, pty, sys

program, server = sys.argv[1:]
os.environ["PINWIRE_SERVER"] = server
os.environ["PATH"] = os.path.dirname(program) + os.pathsep + os.environ["PATH"]

for line in sys.stdin.read().splitlines():
    if not line.startswith("$ "):
        continue
    print(line, flush=True)
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("sh", ["sh", "-c", line[2:]])
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
    print(shown.decode().replace("\r\n", "\n").replace(server, "127.0.0.1:4433"), end="", flush=True)
