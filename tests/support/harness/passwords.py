"""Users of basic-auth, with their passwords in every form that the file may have them in."""

from harness.outrider import Config, plugin, service

PASSWORD = "open sesame, Ali"
"""Of all users but `slow`, whose password nobody knows."""
STORED = {
    "in-clear": PASSWORD,
    "sha256": "sha256:ade1f43bc912633de70041c9952db6fcbf3fdc7e44bccaa5101d30171f413e91",
    "argon2id": "$argon2id$v=19$m=8,t=1,p=1$Fem60cSRr/qu9Pmyf5X2eA$1nJ8qFx5h60ToN4f+ZGQoNMouvB7YjPx3O5atARaQo8",
    "argon2i": "$argon2i$v=19$m=8,t=1,p=1$5pz6GlyjJhEw2KUs+ztUXQ$Yv7p5+wx8YHxsrlZXW9cKdJEXI1KKPS1Cl5A6wTeG0E",
    "argon2d": "$argon2d$v=19$m=8,t=1,p=1$FixYlwoV1J+FICiIMwHX5A$OhxeKZfTr7i5NRnyOCoHpagsfq2DXzxmfV9e8BhSrKY",
    "lanes": "$argon2id$v=19$m=32,t=1,p=4$eMXY5toURX4dT4Xd9wLS+w$aMXfZMj5nCDvaWLXeozHYs2e3TL+nTp0g+PW77/Xh+g",
    "bcrypt": "$2b$04$9VeUHu0inhxAfApuR2TxN.hWSR0s4aVcvDgnFDt1ZHiUjqv8sr9s6",
    # Takes a while, and so does every user that is not in the file.
    "slow": "$2b$10$NinL8KfqFIJkbFr7SC/dIe2ylZM45jgf.ywd3BBfkcjOtIvu6cZgq",
}
USERS: Config = {
    "username": "users",
    "basicauth_credentials": [
        {"id": f"id-of-{name}", "username": name, "password": password} for name, password in STORED.items()
    ],
}


def with_passwords(upstream: int) -> list[Config]:
    """Services whose requests need a password."""
    return [
        # Long, since a busy machine may take its time over what is slow.
        service("passwords", upstream, plugin("basic-auth", timeout=15_000)),
        service("shown-passwords", upstream, plugin("basic-auth", hide=False)),
        service("password-or-guest", upstream, plugin("basic-auth", anonymous="guest", hide=False, timeout=15_000)),
    ]
