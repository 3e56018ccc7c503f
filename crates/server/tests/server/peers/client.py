"""A whole client in twenty lines: python3 client.py PORT CERTIFICATE KEY SERVER-PIN 'GET employees/1-A' ['Header: value' ...]"""
import hashlib, socket, ssl, sys

port, certificate, key, pin, *head = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the pin below is what counts
context.load_cert_chain(certificate, key)
tls = context.wrap_socket(socket.create_connection(("127.0.0.1", int(port)), timeout=60))
if "sha256:" + hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest() != pin:
    sys.exit("the server is not the known one")
reply = tls.makefile("rb")
said = [reply.readline()]
if said[0] == b"OK\r\n":
    tls.sendall("\r\n".join([*head, "", ""]).encode())
    while said[-1] != b"\r\n":
        said.append(reply.readline())
    size = next(int(line[6:]) for line in said if line.startswith(b"Size: "))
    said.append(reply.read(size))
sys.stdout.buffer.write(b"".join(said))
