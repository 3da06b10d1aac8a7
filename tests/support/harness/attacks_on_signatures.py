"""Attacks on signatures: tokens that nobody has signed, or that look as if somebody had."""

from harness import careless, forging
from harness.attack import Attack
from harness.telling import headed

LISTED = "an issuer's algorithms are listed, and only real ones can be"
LENGTH = "the signature has the one length and form of its algorithm"
BYTES = "the signature is verified over the bytes that came"
NONE = "RFC 8725, section 2.1; RFC 7519, section 6"
UNCHECKED = careless.checks_no_signature
ZERO = "CVE-2022-21449"

ATTACKS = [
    *(
        Attack(f"the algorithm {name} without a signature", NONE, LISTED, forging.unsigned(name), UNCHECKED)
        for name in ("none", "None", "NONE", "nOnE")
    ),
    Attack("the algorithm none with a signature", NONE, LISTED, forging.unsigned("none", b"x" * 32), UNCHECKED),
    Attack("an empty algorithm", NONE, LISTED, forging.unsigned(""), UNCHECKED),
    Attack(
        "no algorithm", NONE, "alg must be text", lambda world: forging.compact({}, forging.said(world)), UNCHECKED
    ),
    Attack("the algorithm as a list", NONE, "alg must be text", forging.unsigned(["none", "RS256"]), UNCHECKED),
    Attack("the algorithm null", NONE, "alg must be text", forging.unsigned(None), UNCHECKED),
    *(
        Attack(f"an algorithm {what}", "RFC 8725, section 3.1", LISTED, headed("RS256", alg=name))
        for what, name in {
            "in another case": "rs256",
            "with a space": "RS256 ",
            "with NUL": "RS256\0",
            "that looks alike": "R\u0405256",
            "of another registry": "SHA256withRSA",
        }.items()
    ),
    *(
        Attack(
            f"another payload under the signature of {issuer}",
            NONE,
            BYTES,
            forging.another_payload(issuer),
            UNCHECKED,
        )
        for issuer in ("RS256", "ES256", "EdDSA", "HS256")
    ),
    Attack("the header of another token", "RFC 7515, section 5.2", BYTES, forging.other_header, UNCHECKED),
    *(
        Attack(
            f"an empty signature of {issuer}", NONE, LENGTH, forging.with_signature(issuer, lambda _: b""), UNCHECKED
        )
        for issuer in ("RS256", "ES256", "EdDSA", "HS256")
    ),
    *(
        Attack(
            f"a digest cut to {size} bytes",
            "CVE-2020-28042",
            LENGTH,
            forging.cut(size),
            careless.compares_what_is_there,
        )
        for size in (1, 16, 31)
    ),
    *(
        Attack(
            f"an ECDSA signature with r = {r} and s = {s}",
            ZERO,
            "cryptography checks the range of r and s",
            forging.ecdsa(*numbers),
            careless.inverts_zero,
        )
        for r, s, numbers in (
            ("0", "0", (0, 0)),
            ("n", "n", (careless.CURVE_ORDER, careless.CURVE_ORDER)),
            ("0", "n", (0, careless.CURVE_ORDER)),
            ("n", "0", (careless.CURVE_ORDER, 0)),
        )
    ),
    Attack(
        "an ECDSA signature as DER",
        "RFC 7518, section 3.4; CVE-2020-14966",
        LENGTH,
        forging.with_signature("ES256", forging.to_der),
        careless.reads_der,
    ),
    Attack(
        "an EdDSA signature with S beyond the order",
        "RFC 8032, section 5.1.7",
        "cryptography checks the range of S",
        forging.with_signature("EdDSA", forging.beyond_the_order),
        careless.reduces_s,
    ),
    Attack(
        "the cube root of a padded digest",
        "CVE-2006-4339",
        "cryptography compares the whole padding",
        forging.cube_root,
        careless.looks_for_the_digest_anywhere,
    ),
    *(
        Attack(
            f"an RSA signature that is {what}",
            "RFC 8017, section 8.2.2",
            "cryptography verifies the whole padding",
            forging.rsa_number(number),
            UNCHECKED,
        )
        for what, number in (("zero", 0), ("one", 1), ("all ones", (1 << 2048) - 1))
    ),
    Attack(
        "claims that are forging.encrypted and not signed",
        "CVE-2023-51774",
        "a token has three parts",
        forging.encrypted,
        careless.decrypts,
    ),
]
