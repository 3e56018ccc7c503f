"""Carries bytes between its standard streams and a server, by Python's ssl: pipe.py PORT CERTIFICATE KEY [resume].
Says on standard error which suite it is, whether the session was resumed, and how it ended. With `resume` a first
connection only hears the greeting, and its session is resumed. OPENSSL_CONF chooses the suite: Python 3.11 cannot."""
import os, select, socket, ssl, sys

port, certificate, key, *resume = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.load_cert_chain(certificate, key)


def connect(session):
    return context.wrap_socket(socket.create_connection(("127.0.0.1", int(port)), timeout=60), session=session)


def say(words):
    print(words, file=sys.stderr, flush=True)


def hear(tls):
    """What is there; None: no more than a part of a record, or nothing for us."""
    tls.settimeout(0)
    try:
        return tls.recv(65536)
    except ssl.SSLWantReadError:
        return None
    finally:
        tls.settimeout(60)


session = None
if resume:
    with connect(None) as first:
        first.recv(2048)  # the greeting, and the ticket before it
        session = first.session
        first.unwrap()
tls = connect(session)
say(f"suite {tls.cipher()[0]} resumed {tls.session_reused}")
while True:
    ready = [tls] if tls.pending() else select.select([0, tls], [], [])[0]
    if tls in ready:
        part = hear(tls)
        if part == b"":
            say("ended by the server's close_notify")  # anything else is an exception
            break
        if part:
            sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
    if 0 in ready:
        words = os.read(0, 65536)
        if not words:
            tls.unwrap()  # says close_notify and waits for the server's; anything else is an exception
            say("ended by our close_notify")
            break
        tls.sendall(words)
