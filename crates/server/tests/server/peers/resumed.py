"""Gets a session ticket from a first server and shows it to a second: resumed.py FIRST SECOND CERTIFICATE KEY.
Prints what each said first, and whether the second resumed the session."""
import socket, ssl, sys

first, second, certificate, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.load_cert_chain(certificate, key)


def connect(port, session):
    return context.wrap_socket(socket.create_connection(("127.0.0.1", int(port)), timeout=60), session=session)


with connect(first, None) as tls:
    print(tls.recv(2048), tls.session_reused)
    session = tls.session
with connect(second, session) as tls:
    print(tls.recv(2048), tls.session_reused)
