"""The formats of credentials that vendors publish, or that their own scanners look for."""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """What one kind of credential looks like.

    Attributes:
        group: Number of the group that is the credential.
        must_vary: Whether the prefix alone says too little: then it needs a digit, and is no placeholder.
    """

    category: str
    expression: str
    group: int = 0
    must_vary: bool = False


VENDORS = (
    Format("secret/aws-key", r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    Format("secret/gcp-key", r"\bAIza[\w-]{35}"),
    Format("secret/gcp-key", r"\bya29\.[\w-]{20,}"),
    Format("secret/gcp-key", r"\bGOCSPX-[\w-]{20,40}"),
    Format("secret/gcp-key", r'"private_key_id"\s{0,3}:\s{0,3}"([0-9a-f]{40})"', group=1),
    Format("secret/azure-key", r"(?i)\b(?:AccountKey|SharedAccessKey)=([A-Z0-9+/]{40,90}={0,2})", group=1),
    Format("secret/azure-key", r"(?i)[?&]sig=([A-Z0-9%+/_-]{40,120}={0,2})", group=1),
    Format("secret/azure-key", r"\b[\w~.]{3}\dQ~[\w~.-]{30,33}[\w~-]"),
    Format("secret/github-token", r"\bgh[pousr]_[A-Za-z0-9]{30,}"),
    Format("secret/github-token", r"\bgithub_pat_\w{22,}"),
    Format("secret/gitlab-token", r"\bgl(?:pat|ptt|dt|rt|cbt|soat|ft|imt|agent|oas)-[\w-]{20,}(?:\.\w{2}\.\w{7,12})?"),
    Format("secret/gitlab-token", r"\bGR1348941[\w-]{20,50}"),
    Format("secret/slack-token", r"\bxox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}", must_vary=True),
    Format("secret/slack-token", r"\bxapp-\d-[A-Za-z0-9-]{20,}"),
    Format("secret/slack-token", r"\bhooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{20,}"),
    Format("secret/stripe-key", r"\b(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{16,}"),
    Format("secret/stripe-key", r"\bwhsec_[A-Za-z0-9+/=]{24,100}"),
    Format("secret/openai-key", r"\bsk-(?:proj|svcacct|service|admin|None)-[\w-]{20,}", must_vary=True),
    Format("secret/openai-key", r"\bsk-[A-Za-z0-9]{20,}", must_vary=True),
    Format("secret/anthropic-key", r"\bsk-ant-[\w-]{20,}", must_vary=True),
    # Everything below has no category of its own.
    Format("secret/high-entropy", r"\btg_[0-9a-f]{24}_[0-9A-Za-z]{49}"),  # our own (guard.store.key_text)
    Format("secret/high-entropy", r"\bsk-or-v\d-[0-9a-f]{40,80}"),  # OpenRouter
    Format("secret/high-entropy", r"\bnpm_[A-Za-z0-9]{36}"),
    Format("secret/high-entropy", r"\bpypi-AgE[\w-]{50,}"),
    Format("secret/high-entropy", r"\bSG\.[\w-]{16,32}\.[\w-]{16,64}", must_vary=True),  # SendGrid
    Format("secret/high-entropy", r"\bSK[0-9a-f]{32}\b"),  # Twilio
    Format("secret/high-entropy", r"\bhf_[A-Za-z0-9]{30,50}"),  # Hugging Face
    Format("secret/high-entropy", r"\bgsk_[A-Za-z0-9]{40,60}"),  # Groq
    Format("secret/high-entropy", r"\bxai-[A-Za-z0-9]{60,100}"),
    Format("secret/high-entropy", r"\bpplx-[A-Za-z0-9]{40,60}"),  # Perplexity
    Format("secret/high-entropy", r"\bnvapi-[\w-]{50,80}"),
    Format("secret/high-entropy", r"\br8_[A-Za-z0-9]{37,40}"),  # Replicate
    Format("secret/high-entropy", r"\bdo[opr]_v1_[0-9a-f]{64}"),  # DigitalOcean
    Format("secret/high-entropy", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),  # Shopify
    Format("secret/high-entropy", r"\bdckr_pat_[\w-]{27}"),
    Format("secret/high-entropy", r"\bhv[sbr]\.[\w-]{24,}"),  # Vault
    Format("secret/high-entropy", r"\bATATT3[\w=-]{60,}"),  # Atlassian
    Format("secret/high-entropy", r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}"),
    Format("secret/high-entropy", r"\bglsa_\w{32}_[0-9a-f]{8}"),  # Grafana
    Format("secret/high-entropy", r"\bdapi[0-9a-f]{32}\b"),  # Databricks
    Format("secret/high-entropy", r"\brubygems_[0-9a-f]{48}"),
    Format("secret/high-entropy", r"\bNRAK-[A-Z0-9]{27}"),  # New Relic
    Format("secret/high-entropy", r"\blin_api_[A-Za-z0-9]{40}"),  # Linear
    Format("secret/high-entropy", r"\bfigd_[\w-]{40,50}"),
    Format("secret/high-entropy", r"\bsq0(?:csp|atp)-[\w-]{22,60}"),  # Square
    Format("secret/high-entropy", r"\b\d{8,10}:AA[\w-]{33}\b"),  # Telegram
    Format("secret/high-entropy", r"\b[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,40}", must_vary=True),  # Discord
)
