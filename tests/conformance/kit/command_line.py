"""OpenSSL's command line: it signs, verifies and follows chains of certificates. For gateways that no package knows."""

import base64
import binascii
import subprocess
import tempfile
from contextlib import suppress

from kit import version_is

_FOLDER = tempfile.TemporaryDirectory()
_files = {}


def _run(*arguments, told=b""):
    """Exit status and output of one command."""
    ended = subprocess.run(["openssl", *arguments], input=told, capture_output=True, check=False, timeout=60)
    return ended.returncode, ended.stdout


def _done(*arguments, told=b""):
    status, output = _run(*arguments, told=told)
    assert status == 0, arguments
    return output


def file(content):
    """A file with this text or these bytes; OpenSSL reads keys and signatures from nowhere else."""
    content = content.encode() if isinstance(content, str) else content
    if content not in _files:
        path = f"{_FOLDER.name}/{len(_files)}"
        with open(path, "wb") as written:
            written.write(content)
        _files[content] = path
    return _files[content]


def tell_version():
    """Whichever Debian brings: the number before the first point is what the table knows."""
    name, number, *_ = _done("version").decode().split()
    assert name == "OpenSSL", name
    version_is(number.partition(".")[0])


def sign(digest, private_key, text):
    """RSA, PKCS#1 version 1.5, in base64."""
    return base64.b64encode(_done("dgst", f"-{digest}", "-sign", file(private_key), told=text.encode())).decode()


def verifies(digest, public_key, text, signature):
    """Whether the owner of the key signed this text."""
    with suppress(binascii.Error):
        decoded = base64.b64decode(signature, validate=True)
        options = ["-verify", file(public_key), "-signature", file(decoded)]
        return _run("dgst", f"-{digest}", *options, told=text.encode())[0] == 0
    return False


def sha256(text):
    """Lower-case hex."""
    return _done("dgst", "-sha256", "-r", told=text.encode()).split()[0].decode()


def public_half(private_key):
    return _done("pkey", "-pubout", told=private_key.encode()).decode()


def public_key_of(certificate):
    return _done("x509", "-noout", "-pubkey", told=certificate.encode()).decode()


def serial_decimal(certificate):
    shown = _done("x509", "-noout", "-serial", told=certificate.encode()).decode()
    return str(int(shown.strip().partition("=")[2], 16))


def common_name(certificate):
    options = ["-noout", "-subject", "-nameopt", "multiline,utf8,-esc_msb"]
    for line in _done("x509", *options, told=certificate.encode()).decode().splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "commonName":
            return value.strip()
    raise AssertionError("no common name")


def is_chained(certificate, middle, root, at):
    """Whether the certificate leads to the root, at this Unix time."""
    options = ["-attime", str(at), "-CAfile", file(root), "-untrusted", file(middle)]
    return _run("verify", "-no-CApath", "-no-CAstore", *options, file(certificate))[0] == 0


def self_made(common_name):
    """A private key and a certificate that anybody could make."""
    private_key = _done("genpkey", "-algorithm", "RSA").decode()
    options = ["-key", file(private_key), "-subj", f"/CN={common_name}", "-utf8", "-days", "2"]
    return private_key, _done("req", "-x509", *options).decode()
