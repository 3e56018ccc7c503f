"""Is refused again and again, each time with 100 KB of commands sent before a byte is read, and prints every
different thing that it was told, with how often: refused.py PORT TRIES [CERTIFICATE KEY]"""
import collections, socket, ssl, sys

port, tries, *identity = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
if identity:
    context.load_cert_chain(*identity)
commands = b"GET employees/1-A\r\nSequence: 32\r\n\r\n" * 3000
told = collections.Counter()
for _ in range(int(tries)):
    said = b""
    try:
        with context.wrap_socket(socket.create_connection(("127.0.0.1", int(port)), timeout=60)) as tls:
            tls.sendall(commands)
            while part := tls.recv(65536):
                said += part
    except OSError as error:
        said += b" then " + repr(error).encode()
    told[said] += 1
for said, times in told.items():
    print(times, said)
