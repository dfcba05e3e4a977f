"""Secrets, built at run time so that no scanner of repositories trips over this file."""

from __future__ import annotations

import json
import random
import string
import time
from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.categories import SECRETS
from guard.detectors.secrets import make
from guard.detectors.strength import entropy, is_secret
from guard.values import Item, Location, Role

CHANCE = random.Random(7)
DETECTOR = make("secrets", {})


def letters(count: int) -> str:
    """Return random letters and digits of all sorts."""
    return "".join(CHANCE.choices(string.ascii_letters + string.digits, k=count - 3)) + "q7Z"


def upper(count: int) -> str:
    return "".join(CHANCE.choices(string.ascii_uppercase + "234567", k=count))


def hexadecimal(count: int) -> str:
    return "".join(CHANCE.choices("0123456789abcdef", k=count))


def part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def found(text: str) -> list[tuple[str, str]]:
    return [(f.category, text[slice(*f.span)]) for f in DETECTOR.detect([Item(text)])[0] if f.span]


JWT = ".".join([part({"alg": "HS256", "typ": "JWT"}), part({"sub": "1234567890", "name": "Ann"}), letters(43)])
TOKENS = [
    ("secret/aws-key", "AK" + "IA" + upper(16)),
    ("secret/aws-key", "AS" + "IA" + upper(16)),
    ("secret/gcp-key", "AI" + "za" + letters(35)),
    ("secret/gcp-key", "ya" + "29." + letters(60)),
    ("secret/gcp-key", "GOC" + "SPX-" + letters(28)),
    ("secret/azure-key", "abc" + "8Q~" + letters(33)),
    *(("secret/github-token", prefix + "_" + letters(36)) for prefix in ("ghp", "gho", "ghu", "ghs", "ghr")),
    ("secret/github-token", "github" + "_pat_" + letters(22) + "_" + letters(59)),
    ("secret/gitlab-token", "gl" + "pat-" + letters(20)),
    ("secret/slack-token", "xo" + "xb-123456789012-123456789012-" + letters(24)),
    ("secret/slack-token", "xa" + "pp-1-A1B2C3-123-" + letters(20)),
    ("secret/stripe-key", "sk" + "_live_" + letters(24)),
    ("secret/stripe-key", "rk" + "_test_" + letters(24)),
    ("secret/stripe-key", "wh" + "sec_" + letters(32)),
    ("secret/openai-key", "sk" + "-" + letters(48)),
    ("secret/openai-key", "sk" + "-proj-" + letters(40) + "_" + letters(20)),
    ("secret/openai-key", "sk" + "-svcacct-" + letters(40)),
    ("secret/anthropic-key", "sk" + "-ant-api03-" + letters(93) + "AA"),
    ("secret/jwt", JWT),
    ("secret/high-entropy", "t" + "g_" + hexadecimal(24) + "_" + letters(49)),
    ("secret/high-entropy", "np" + "m_" + letters(36)),
    ("secret/high-entropy", "py" + "pi-AgEIcHlwaS5vcmc" + letters(60)),
    ("secret/high-entropy", "S" + "G." + letters(22) + "." + letters(43)),
    ("secret/high-entropy", "S" + "K" + hexadecimal(32)),
    ("secret/high-entropy", "h" + "f_" + letters(34)),
]


@pytest.mark.parametrize(("category", "token"), TOKENS, ids=[f"{category}-{index}" for index, (category, _) in enumerate(TOKENS)])
@pytest.mark.parametrize("frame", ["{}", "my key is {}.", 'key = "{}"', "token={}\n", "({}),", "url?k={}&x=1", "密钥{}。"])
def test_a_token_is_found_wherever_it_stands(category: str, token: str, frame: str) -> None:
    assert found(frame.format(token)) == [(category, token)]


@pytest.mark.parametrize(("category", "token"), TOKENS[::4])
def test_a_token_is_found_though_it_is_encoded_or_disguised(category: str, token: str) -> None:
    encoded = b64encode(f"the value is {token} ok".encode()).decode()
    assert (category, encoded) in found(f"see {encoded} here")
    hidden = token[:8] + "\u200b" + token[8:]
    assert (category, hidden) in found(f"see {hidden} here")


def pem(label: str, gap: str = "\n", lines: int = 5) -> str:
    body = gap.join(letters(64) for _ in range(lines))
    return f"-----BE{'GIN'} {label}PRIVATE KEY-----{gap}{body}{gap}{letters(20)}=={gap}-----END {label}PRIVATE KEY-----"


@pytest.mark.parametrize("label", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", "DSA "])
@pytest.mark.parametrize("gap", ["\n", "\r\n", r"\n", "\n    ", "\n> "])
def test_a_private_key_is_found_as_a_whole(label: str, gap: str) -> None:
    block = pem(label, gap)
    assert ("secret/private-key", block) in found(f"here: {block} thanks")


def test_a_private_key_that_breaks_off_is_found_as_far_as_it_goes() -> None:
    block = pem("RSA ").rpartition("\n")[0].rpartition("\n")[0]
    assert found(block) == [("secret/private-key", block)]
    assert found(block + "\nand so on, it goes") == [("secret/private-key", block)]


def test_a_private_key_with_headers_or_of_pgp_is_found() -> None:
    head, _, rest = pem("RSA ").partition("\n")
    block = f"{head}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{hexadecimal(32).upper()}\n\n{rest}"
    assert found(block) == [("secret/private-key", block)]
    block = f"-----BE{'GIN'} PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n{letters(64)}\n{letters(9)}=\n=aB3d\n"
    block += "-----END PGP PRIVATE KEY BLOCK-----"
    assert found(block) == [("secret/private-key", block)]


SECRET = "Qw7" + "zR9" + "kT2xLp"


@pytest.mark.parametrize(
    "text",
    [
        f"postgres://admin:{SECRET}@db.example.com:5432/app",
        f"postgresql+asyncpg://u:{SECRET}@localhost/app",
        f"mongodb+srv://u:{SECRET}@cluster0.mongodb.net",
        f"redis://:{SECRET}@cache:6379/0",
        f"amqp://guest:{SECRET}@mq//",
        f"mysql://root:p@{SECRET}@10.0.0.1/db",
        f"https://user:{SECRET}@example.com/x",
        f"Server=tcp:db.example.com,1433;Database=x;User ID=sa;Password={SECRET}",
        f"Data Source=db;Initial Catalog=x;User Id=sa;Pwd={SECRET}",
        f"host=localhost port=5432 user=ann password={SECRET}",
    ],
)
def test_a_connection_string_with_a_password_is_found(text: str) -> None:
    assert ("secret/connection-string", text) in found(f"use {text} now")


@pytest.mark.parametrize(
    "text",
    [
        "postgres://user:${DB_PASSWORD}@localhost/app",
        "postgres://user:<password>@localhost/app",
        "postgres://user:****@localhost/app",
        "mysql://user:YOUR_PASSWORD@localhost/app",
        "redis://localhost:6379/0",
        "https://example.com:8443/a@b",
        "https://user@example.com/",
        "Server=db;Database=x;Integrated Security=true",
        "Server=db;Database=x;Password=%DB_PASSWORD%;",
    ],
)
def test_a_connection_string_without_a_password_is_none(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("frame", "value"),
    [
        ('api_key = "{}"', letters(32)),
        ("API-KEY: {}", letters(40)),
        ('"client_secret": "{}",', hexadecimal(40)),
        ("password={}", "hun" + "ter2"),
        ("DB_PASSWORD={}\n", "S3cure" + "!pass99x"),
        ('{{\\"token\\": \\"{}\\"}}', letters(30)),
        ("the password is {}.", "Tr0ub4" + "dor&3"),
        ("export SECRET_KEY='{}'", "dj#" + letters(47)),
        ("Authorization: Bearer {}", letters(40)),
        ("auth_token => '{}'", letters(24)),
        ("AWS_SESSION_TOKEN={}", letters(200)),
        ("пароль: {}", "qX9!" + "vbn27"),
    ],
)
def test_an_assignment_of_something_random_is_found(frame: str, value: str) -> None:
    assert ("secret/high-entropy", value) in found(frame.format(value))


def test_an_aws_secret_key_is_found_beside_its_name() -> None:
    value = letters(18) + "/" + letters(20) + "+"
    assert ("secret/aws-key", value) in found(f"aws_secret_access_key = {value}\n")
    assert found(f"the digest of it: {value}") == []


def test_azure_keys_are_found_in_what_they_stand_in() -> None:
    key = letters(86) + "=="
    assert ("secret/azure-key", key) in found(f"AccountName=x;AccountKey={key};EndpointSuffix=core.windows.net")
    signature = letters(43) + "%3D"
    assert ("secret/azure-key", signature) in found(f"https://x.blob.core.windows.net/c?sv=2022&sig={signature}&se=1")


@pytest.mark.parametrize(
    "text",
    [
        'api_key = "YOUR_API_KEY"',
        "api_key: xxxxxxxxxxxxxxxx",
        "password = changeme",
        "password=${DB_PASSWORD}",
        "password: {{ vault_password }}",
        "token = os.environ['GITHUB_TOKEN']",
        "token: process.env.TOKEN1",
        "secret = get_secret('prod/db1')",
        "token = response.data.token2",
        "token: 550e8400-e29b-41d4-a716-446655440000",
        "password: str = Field(min_length=12)",
        "max_tokens: 4096",
        "token_type: bearer",
        "token_count=128000",
        "password is required to have 12 characters",
        "The token is case-sensitive and the secret is well-known",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        '"integrity": "sha512-' + b64encode(bytes(range(64))).decode() + '"',
        "sha256:" + hexadecimal(64),
        "password_hash_rounds = 12000",
        "a secret to 100% success: perseverance",
        "Tokenization splits text; the key: understanding",
        "password: ********",
        "password = 'example-password-1'",
        "ghp_short",
        "sk-learn and sk-abcdefghijklmnopqrstuvwxyz",
        "task-management-for-everybody-in-the-team",
        "xoxo-with-love-from-all-of-us",
        "eyewitness_statement.something_else.and_more",
        "AKIAwas not a key, nor was AKIA",
        "The -----BEGIN PRIVATE KEY----- line begins a file in PEM format and the rest follows",
        "-----BEGIN PUBLIC KEY-----\n" + "A" * 64 + "\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\nMIIB" + "a" * 60 + "\n-----END CERTIFICATE-----",
        "version 1.2.3, build 20240131, phone 555-0100",
        "secret: /run/secrets/db_password",
        "password: 2024-01-31 12:00:00",
        "data:image/png;base64," + b64encode(bytes(range(256)) * 20).decode(),
        "def authenticate(user, password): return check(password, user.password_hash)",
    ],
)
def test_what_only_looks_like_a_secret_is_none(text: str) -> None:
    assert found(text) == []


def test_prose_has_no_secrets() -> None:
    words = "pass the salt and keep a secret for the token guard who is responsible for the main entrance of this hotel"
    assert found(f"{words}. " * 40) == []


def test_entities_choose_categories() -> None:
    only = make("aws", {"entities": ["secret/aws-key"]})
    assert only.categories == ("secret/aws-key",)
    assert [f.category for f in only.detect([Item(" ".join(token for _, token in TOKENS))])[0]] == ["secret/aws-key"] * 2
    with pytest.raises(ValueError, match="secret/jwt"):
        make("none", {"entities": ["pii/email"]})


def test_every_category_of_secrets_has_a_pattern() -> None:
    assert set(DETECTOR.categories) == set(SECRETS)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(TOKENS), st.lists(st.integers(0, 120), max_size=6), st.text("ab .\u200b", max_size=6))
def test_a_token_cut_by_deltas_is_never_half_released(pair: tuple[str, str], cuts: list[int], before: str) -> None:
    category, token = pair
    text = f"{before} {token} end"
    mark, matches, opened = None, [], 0
    for end in sorted({min(cut, len(text)) for cut in cuts} | {len(text)}):
        scan = DETECTOR.scan(text[:end], 0, mark, final=end == len(text), role=Role.ASSISTANT, location=Location())
        assert all(match.finding.span is None or match.finding.span.start >= opened for match in scan.matches)
        mark, opened = scan.mark, scan.open
        matches += scan.matches
    assert category in {match.finding.category for match in matches}


def test_entropy_is_shannons() -> None:
    assert entropy("aabb") == 1.0
    assert entropy("aaaa") == 0.0
    assert round(entropy("abcdefgh"), 6) == 3.0


def test_a_value_must_be_random_enough() -> None:
    assert is_secret(hexadecimal(32))
    assert not is_secret("a1" * 16)
    assert not is_secret("abcd1234")


def test_a_kilobyte_takes_well_under_a_millisecond() -> None:
    text = "The quick brown fox jumps over the lazy dog and then goes on. " * 16
    DETECTOR.detect([Item(text)])
    started = time.perf_counter()
    for _ in range(100):
        DETECTOR.detect([Item(text)])
    assert time.perf_counter() - started < 0.5
