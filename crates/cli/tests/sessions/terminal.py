"""Types one line at a terminal and shows what the terminal shows, as it comes: terminal.py PROGRAM SERVER LINE.

A shell runs the line as it stands; "yes" is typed where it is asked for. Whoever closes this program's standard
input ends what runs."""
import os, pty, re, select, signal, sys

program, server, line = sys.argv[1:]
os.environ["PINWIRE_SERVER"] = server
os.environ["PATH"] = os.path.dirname(program) + os.pathsep + os.environ["PATH"]
COLOURS = re.compile(rb"\x1b\[[0-9;]*m")


def show(shown):
    sys.stdout.buffer.write(COLOURS.sub(b"", shown).replace(b"\r\n", b"\n"))
    sys.stdout.flush()


child, terminal = pty.fork()
if child == 0:
    os.execvp("sh", ["sh", "-c", line])
shown, typed = b"", False
while True:
    ready, _, _ = select.select([terminal, sys.stdin], [], [])
    if terminal not in ready:
        os.killpg(child, signal.SIGKILL)
        break
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
    lines, end, shown = shown.rpartition(b"\n")
    show(lines + end)
os.waitpid(child, 0)
show(shown)
