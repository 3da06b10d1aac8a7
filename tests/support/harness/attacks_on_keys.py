"""Attacks on keys: tokens that are signed, but not with the key that it must be."""

from harness import careless, forging
from harness.attack import Attack

LISTED = "an issuer's algorithms are listed, and only real ones can be"
TIED = "a key verifies only what its type and its alg allow"
OWN_KEYS = "keys come from the configured place alone"
KID = "a kid is text, compared whole and never looked up elsewhere"
CONFUSION = "RFC 8725, section 2.1; CVE-2015-9235, CVE-2016-10555"
FORMS = ["PEM", "DER", "OpenSSH", "PEM without its last newline", "JWK", "bare number", "PKCS1 PEM"]
KNOWN = {2: "CVE-2022-29217, CVE-2024-33663", 6: "CVE-2017-11424"}
SECRET = careless.takes_a_public_key_for_a_secret
UNCHECKED = careless.checks_no_signature

ATTACKS = [
    *(
        Attack(
            f"{algorithm} with the key of {issuer}",
            "RFC 8725, section 3.1",
            LISTED,
            forging.relabelled(algorithm, issuer),
            careless.follows_the_header,
        )
        for algorithm, issuer in (("RS512", "RS256"), ("PS256", "RS256"), ("RS256", "PS256"), ("HS512", "HS256"))
    ),
    *(
        Attack(
            f"the public {kind} key as a shared secret, as {FORMS[number]}",
            KNOWN.get(number, CONFUSION),
            TIED,
            forging.confused("HS256", issuer, number),
            SECRET,
        )
        for issuer, kind in (("RS256", "RSA"), ("ES256", "EC"), ("EdDSA", "Ed25519"))
        for number in range(7 if kind == "RSA" else 6)
    ),
    Attack(
        "the public RSA key as a shared secret of HS384",
        CONFUSION,
        TIED,
        forging.confused("HS384", "RS256", 0),
        SECRET,
    ),
    Attack(
        "the public RSA key as a shared secret of HS512",
        CONFUSION,
        TIED,
        forging.confused("HS512", "RS256", 0),
        SECRET,
    ),
    Attack(
        "the public point of an EC key as a shared secret",
        CONFUSION,
        TIED,
        forging.point_of_the_key,
        forging.takes_points_for_secrets,
    ),
    Attack(
        "an empty shared secret where the key is public",
        "CVE-2019-20933",
        TIED,
        forging.hmac_with(b"", "RS256"),
        careless.has_an_empty_secret,
    ),
    Attack(
        "an empty shared secret where secrets are used",
        "CVE-2019-20933",
        "the secret is the configured one",
        forging.hmac_with(b""),
        careless.has_an_empty_secret,
    ),
    Attack(
        "a secret that is too short to be one",
        "RFC 7518, section 3.2",
        "such a key is left out of the set",
        lambda world: world.by("short"),
    ),
    Attack(
        "an RSA key that is too short to be one",
        "RFC 7518, section 3.3",
        "such a key is left out of the set",
        lambda world: world.by("weak"),
    ),
    Attack(
        "a key that is for encryption",
        "RFC 7517, section 4.2; RFC 8725, section 2.7",
        "use must be sig",
        lambda world: world.by("enc"),
    ),
    Attack(
        "a key that is not for verifying",
        "RFC 7517, section 4.3",
        "key_ops must have verify",
        lambda world: world.by("sign"),
    ),
    Attack(
        "a key that is for another algorithm",
        "RFC 7517, section 4.4; RFC 8725, section 3.1",
        TIED,
        lambda world: world.by("other-alg"),
    ),
    Attack(
        "the kid of an RSA key over a secret",
        CONFUSION,
        TIED,
        forging.confused("HS256", "RS256", 0, kid="HS256-1"),
        SECRET,
    ),
    *(
        Attack(
            f"a key of somebody else, {algorithm}",
            "RFC 7515, section 5.2",
            OWN_KEYS,
            forging.by_mallory(algorithm),
            UNCHECKED,
        )
        for algorithm in ("RS256", "PS256", "ES256", "EdDSA", "HS256")
    ),
    Attack(
        "the key of one issuer under the name of another",
        "RFC 8725, section 3.8",
        "each issuer has its own keys",
        forging.crossed("ES256", "EdDSA"),
    ),
    Attack(
        "the key of one issuer under the name and the kid of another",
        "RFC 8725, section 3.8",
        "each issuer has its own keys",
        forging.crossed("orders", "ES256", typ=None, kid="ES256-1"),
    ),
    Attack(
        "the key of a lesser issuer under the name of one with audiences",
        "RFC 8725, section 3.8",
        "each issuer has its own keys",
        lambda world: world["ES256"].signed({"typ": "at+jwt"}, iss=world["orders"].name, aud="orders"),
    ),
    Attack(
        "a consumer's own secret under the name of an issuer",
        "RFC 8725, section 3.8",
        "each issuer has its own keys",
        forging.secret_in_place_of_key,
    ),
    Attack(
        "an issuer's secret under the name of a consumer's own",
        "RFC 8725, section 3.8",
        "each issuer has its own keys",
        lambda world: world["RS256"].signed({"kid": None}, iss="alices-own"),
    ),
    *(
        Attack(
            f"a key that the token brings along as {member}",
            known,
            OWN_KEYS,
            forging.brought(member),
            careless.takes_the_key_that_comes_along,
        )
        for member, known in (("jwk", "CVE-2018-0114"), ("x5c", "RFC 7515, section 4.1.6"))
    ),
    *(
        Attack(
            f"the address of a key in {member}",
            known,
            OWN_KEYS,
            forging.by_mallory("RS256", **{member: "http://127.0.0.1:1/keys"}),
            UNCHECKED,
        )
        for member, known in (
            ("jku", "RFC 7515, section 4.1.2; RFC 8725, section 2.9"),
            ("x5u", "RFC 7515, section 4.1.5; RFC 8725, section 2.9"),
        )
    ),
    Attack(
        "a kid that is a list where the key has none",
        "RFC 7515, section 4.1.4",
        KID,
        lambda world: world.alices_own({"kid": ["x"]}),
    ),
    *(
        Attack(
            f"{algorithm} with a key for any algorithm, where only RS256 is listed",
            "RFC 8725, section 3.1",
            LISTED,
            forging.unlisted(algorithm),
            careless.follows_the_header,
        )
        for algorithm in ("RS512", "PS256")
    ),
    Attack(
        "a kid that is a path",
        "RFC 8725, section 3.10",
        KID,
        forging.hmac_with(b"", kid="../../../../dev/null"),
        careless.opens_the_kid,
    ),
    Attack(
        "a kid that is SQL",
        "RFC 8725, section 3.10",
        KID,
        forging.hmac_with(b"mine", kid="x' UNION SELECT 'mine' --"),
        careless.asks_sql_for_the_kid,
    ),
    *(
        Attack(f"a kid that is {what}", "RFC 7515, section 4.1.4", KID, forging.with_kid(kid))
        for what, kid in {
            "an address": "http://127.0.0.1:1/key",
            "a number": 1,
            "true": True,
            "a list": ["HS256-1"],
            "an object": {"$ne": ""},
            "followed by NUL": "HS256-1\x00",
            "followed by a space": "HS256-1 ",
            "in another case": "hs256-1",
            "part of one": "HS256",
            "a surrogate": "\ud800",
            "very long": "k" * 8000,
            "empty": "",
            "a name of the language": "__proto__",
        }.items()
    ),
]
