"""Coverage-guided fuzzing of what a call-back goes through; run by hand, not collected by pytest.

    pip install atheris==2.3.0 cryptography defusedxml
    python tests/fuzz/fuzz_callback.py -max_total_time=300

Any exception but a refusal is a finding.
"""

import base64
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["bot.platforms.crypto", "bot.platforms.xml"]):
    from bot.platforms.crypto import CallbackCrypto, CallbackRefused, MessageCipher, sign
    from bot.platforms.xml import body_hash, encrypted_part, parse_message, parse_xml

KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
CRYPTO = CallbackCrypto("token", aes_key=KEY, receive_id="wx1")
CIPHER = MessageCipher(KEY, "wx1")
HEAD = "<xml><ToUserName>a</ToUserName><FromUserName>b</FromUserName><CreateTime>1</CreateTime>"


def one(data: bytes) -> None:
    """Each way in: raw XML, fields of a message, cipher text, and a sealed body."""
    provider = atheris.FuzzedDataProvider(data)
    way = provider.ConsumeIntInRange(0, 3)
    rest = provider.ConsumeBytes(len(data))
    try:
        if way == 0:
            encrypted_part(parse_xml(rest))
        elif way == 1:
            body_hash(parse_message(HEAD.encode() + rest + b"</xml>"))
        elif way == 2:
            encrypted = base64.b64encode(rest).decode()
            CRYPTO.open(encrypted, sign("token", "1", "n", encrypted), "1", "n", 1.0)
        else:
            text = rest.decode("utf-8", "ignore")
            assert CIPHER.decrypt(CIPHER.encrypt(text)) == text
    except CallbackRefused:
        pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
