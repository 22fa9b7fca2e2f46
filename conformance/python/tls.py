"""A door with TLS in front of the gateway, for SDKs that send bearer keys over HTTPS only."""

import contextlib
import datetime
import ipaddress
import os
import socket
import ssl
import tempfile
import threading
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])


def certificate(folder: str) -> tuple[str, str]:
    """Makes a certificate for loopback that signs itself; returns its file and its key's."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.timezone.utc)
    cert = (
        x509.CertificateBuilder(NAME, NAME, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for file, content in zip(files, (cert.public_bytes(serialization.Encoding.PEM), secret), strict=True):
        with open(file, "wb") as f:
            f.write(content)
    return files


def pump(source, sink) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def door(url: str):
    """Yields an https address that leads to url, and the file of its certificate."""
    behind = urlsplit(url)
    with tempfile.TemporaryDirectory() as folder:
        cert, key = certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            with contextlib.suppress(OSError):  # the listener closes
                while True:
                    client = context.wrap_socket(listener.accept()[0], server_side=True)
                    server = socket.create_connection((behind.hostname, behind.port))
                    for pair in ((client, server), (server, client)):
                        threading.Thread(target=pump, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}", cert
        finally:
            listener.close()
