"""The test cases of RFC 9421, appendix B: its keys, its requests and the signatures that it says they have."""

import pytest

from outrider import Request
from outrider_plugins.signatures.keys import Key
from outrider_plugins.signatures.verifier import BadSignatureError, Verifier, Wanted, covers

CREATED = 1618884473
PSS = "test-key-rsa-pss", "rsa-pss-sha512"
P256 = "test-key-ecc-p256", "ecdsa-p256-sha256"
ED25519 = "test-key-ed25519", "ed25519"
SECRET = "test-shared-secret", "hmac-sha256"


def pem(*lines: str) -> str:
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----"])


# Section B.1.
PUBLIC: dict[tuple[str, str], str] = {
    PSS: pem(
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2",
        "+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+",
        "oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq",
        "gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W",
        "Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4",
        "aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI",
        "2wIDAQAB",
    ),
    P256: pem(
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf",
        "w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==",
    ),
    ED25519: pem("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="),
}
SHARED = "base64:uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
BODY = b'{"hello": "world"}'
DIGEST = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"

# Section B.2, but for B.2.4, which signs a response; and B.3, a proxy that adds a certificate.
CASES = {
    "B.2.1": (
        PSS,
        'sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"',
        (
            "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopem"
            "LJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG"
            "52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx"
            "2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6"
            "UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3"
            "+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:"
        ),
    ),
    "B.2.2": (
        PSS,
        (
            'sig-b22=("@authority" "content-digest" "@query-param";name="Pet")'
            ';created=1618884473;keyid="test-key-rsa-pss";tag="header-example"'
        ),
        (
            "sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQ"
            "EdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT"
            "8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SA"
            "RYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd"
            "4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoK"
            "UqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==:"
        ),
    ),
    "B.2.3": (
        PSS,
        (
            'sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest"'
            ' "content-length")'
            ';created=1618884473;keyid="test-key-rsa-pss"'
        ),
        (
            "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yB"
            "iMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fU"
            "xN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1"
            "pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9"
            "bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5Z"
            "JzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==:"
        ),
    ),
    "B.2.5": (
        SECRET,
        'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
        "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
    ),
    "B.2.6": (
        ED25519,
        (
            'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
            ';created=1618884473;keyid="test-key-ed25519"'
        ),
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
    ),
    "B.3": (
        P256,
        'ttrp=("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;keyid="test-key-ecc-p256"',
        "ttrp=:xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==:",
    ),
}
CERTIFICATE = (
    ":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVk"
    "aWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"
    "8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAf"
    "BgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMw"
    "EYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ"
    "0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:"
)


def key(name: tuple[str, str]) -> Key:
    given = {"secret": SHARED} if name is SECRET else {"public_key": PUBLIC[name]}
    return Key.model_validate({"id": name[0], "algorithm": name[1], **given})


def verifier(name: tuple[str, str], now: float = CREATED + 1) -> Verifier:
    wanted = Wanted(frozenset(), max_age=300, leeway=0, tag=None, label=None, nonce=False)
    return Verifier([key(name)], wanted, lambda: now)


def request(case: str, target: str = "/foo?param=Value&Pet=dog", **changed: str) -> Request:
    _, given, signature = CASES[case]
    fields = {
        "date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "content-type": "application/json",
        "content-digest": DIGEST,
        "signature-input": given,
        "signature": signature,
    }
    if case == "B.3":
        fields["client-cert"] = CERTIFICATE
    fields |= {name.replace("_", "-"): value for name, value in changed.items()}
    asked = Request(
        "POST",
        target,
        headers=fields,
        authority="service.internal.example" if case == "B.3" else "example.com",
        scheme="https",
    )
    # The gateway's own, which plugins can't set.
    asked.headers._fields["content-length"] = ["18"]  # pyright: ignore[reportPrivateUsage]
    return asked


@pytest.mark.parametrize("case", CASES)
def test_the_signatures_of_the_rfc_hold(case: str) -> None:
    name = CASES[case][0]
    verified = verifier(name).verify(request(case))
    assert verified is not None
    assert verified.key.id == name[0]
    assert covers(verified.digests, BODY) is (case in {"B.2.2", "B.2.3"})
    assert not covers(verified.digests, BODY + b" ")


@pytest.mark.parametrize("case", CASES)
def test_no_signature_of_the_rfc_holds_for_another_message_or_another_time(case: str) -> None:
    name, given, signature = CASES[case]
    label, _, text = signature.partition("=:")
    turned = f"{label}=:{'A' if text[0] != 'A' else 'B'}{text[1:]}"
    changes = [
        request(case, signature=turned),
        request(case, signature_input=given.replace("1618884473", "1618884474")),
        request(case, signature_input=given.replace("=(", '=("@scheme" ')),
        request(case, signature_input=given + ';alg="hmac-sha1"'),
    ]
    for changed in changes:
        with pytest.raises(BadSignatureError):
            verifier(name).verify(changed)
    for now in (CREATED - 1, CREATED + 301):
        with pytest.raises(BadSignatureError):
            verifier(name, now).verify(request(case))


@pytest.mark.parametrize(
    ("case", "changed"),
    [
        ("B.2.2", {"content_digest": DIGEST.replace("WZD", "WZE")}),
        ("B.2.2", {"target": "/foo?param=Value&Pet=cat"}),
        ("B.2.3", {"date": "Tue, 20 Apr 2021 02:07:56 GMT"}),
        ("B.2.3", {"target": "/foo?param=value&Pet=dog"}),
        ("B.2.5", {"content_type": "text/plain"}),
        ("B.2.6", {"target": "/bar?param=Value&Pet=dog"}),
        ("B.3", {"client_cert": CERTIFICATE.replace("MIIB", "MIIC")}),
    ],
)
def test_what_is_covered_can_not_be_changed(case: str, changed: dict[str, str]) -> None:
    with pytest.raises(BadSignatureError):
        verifier(CASES[case][0]).verify(request(case, **changed))


TRANSFORM = {
    "signature-input": 'transform=("@method" "@path" "@authority" "accept")'
    ';created=1618884473;keyid="test-key-ed25519"',
    "signature": "transform=:"
    "ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:",
}


@pytest.mark.parametrize(
    ("method", "target", "authority", "fields", "holds"),
    [
        ("GET", "/demo?name1=Value1&Name2=value2", "example.org", ["application/json", "*/*"], True),
        ("GET", "/demo?name1=Value1&Name2=value2&param=added", "example.org", ["application/json", "*/*"], True),
        ("GET", "/demo", "EXAMPLE.org:443", ["application/json, */*"], True),
        ("POST", "/demo", "example.org", ["application/json", "*/*"], False),
        ("GET", "/demo", "example.com", ["application/json", "*/*"], False),
        ("GET", "/demo/", "example.org", ["application/json", "*/*"], False),
        ("GET", "/demo", "example.org", ["*/*", "application/json"], False),
        ("GET", "/demo", "example.org:8443", ["application/json", "*/*"], False),
    ],
)
def test_transformations_that_change_nothing_signed_are_no_harm(
    method: str, target: str, authority: str, fields: list[str], holds: bool
) -> None:
    # Section B.4.
    headers = [*TRANSFORM.items(), *(("accept", value) for value in fields)]
    asked = Request(method, target, headers=headers, authority=authority, scheme="https")
    if holds:
        assert verifier(ED25519).verify(asked) is not None
    else:
        with pytest.raises(BadSignatureError):
            verifier(ED25519).verify(asked)
