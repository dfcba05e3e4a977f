"""What is planted where a model reads: tokens of chat templates, encoded orders, instructions in documents and tool results."""

from __future__ import annotations

from guard.detectors.matching import Pattern

_RAW = ("raw", "decoded")
_READ = ("folded", "decoded")

_SENTENCE = r"[^.!?\n]*"
_AI = (
    r"(?:ai|a\.i\.|llm|large language model|language model|ai model|ai assistant|ai agent|"
    r"virtual assistant|chat ?bot|chat ?gpt|gpt-?\d|copilot|ai system)"
)
_PRIVATE = (
    r"(?:(?:chat|conversation|message|browsing|search|email|e-mail) history|conversation(?: so far)?|"
    r"system prompt|api[ _-]?keys?|pass ?words?|credentials|secrets?|tokens?|cookies|"
    r"private (?:data|information|messages?|keys?)|personal (?:data|information|details)|"
    r"sensitive (?:data|information)|confidential (?:data|information|documents?)|"
    r"(?:user'?s?|customer'?s?|victim'?s?) (?:\w+ )?(?:data|information|details|e-?mails?|contacts?|"
    r"messages|files|address|password|credentials)|contact list|environment variables|"
    r"all (?:\w+ )?(?:e-?mails|contacts|files|messages)|credit card)"
)

PATTERNS = (
    Pattern(
        r"<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|endofprompt|eot_id|eom_id|"
        r"start_header_id|end_header_id|begin_of_text|end_of_text|"
        r"python_tag|tool_call|tool|channel|message|start|end|return|constrain|prompter|startoftext|"
        r"begin_of_sentence|end_of_sentence|fim_(?:prefix|middle|suffix)|end_of_turn\w{0,4})\|>",
        "injection",
        0.9,
        0,
        _RAW,
    ),
    Pattern(r"<｜(?:User|Assistant|begin▁of▁sentence|end▁of▁sentence|tool▁\w{1,8}▁\w{1,8})｜>", "injection", 0.9, 0, ("raw",)),
    Pattern(
        r"<</?SYS>>|<(?:start|end)_of_turn>|\[/?(?:SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CALLS)\]",
        "injection",
        0.9,
        0,
        _RAW,
    ),
    Pattern(r"\[/?INST\]", "injection", 0.8, 0, _RAW),
    Pattern(
        r"</(?:system|system_prompt|instructions|user_input|user_query|untrusted|context|document|tool_result|"
        r"user_message)>\s{0,4}<?/?(?:system|instructions|admin|assistant)\b",
        "injection",
        0.75,
        0,
        _RAW,
    ),
    Pattern(r"(?i)<(?:system|system[_-](?:prompt|message|instructions?)|admin|override)>", "injection", 0.55, 0, _RAW),
    Pattern(
        r"(?i)\[(?:system|admin|assistant)\]\(#\w{1,20}\)|\[system (?:message|prompt|note|override)\]|(?:^|"
        r"\n)\s{0,3}system (?:override|overwrite|alert|update|notice)\s?[:\]]",
        "injection",
        0.7,
        0,
        _RAW,
    ),
    Pattern(r"(?i)(?:^|\n)\s{0,3}#{2,4}\s?(?:system|new instructions?|system (?:prompt|message))\s?:", "injection", 0.6, 0, _RAW),
    Pattern(r"(?i)(?:^|\n)\s{0,3}#{2,4}\s?(?:instructions?|human|user|assistant|response)\s?:", "injection", 0.35, 0, _RAW),
    Pattern(r"\n\n(?:Human|Assistant|H|A): ", "injection", 0.4, 0, _RAW),
    Pattern(r"(?i)(?:^|\n)\s{0,3}(?:\*\*)?(?:system|developer)(?: prompt| message)?(?:\*\*)?: ", "injection", 0.4, 0, _RAW),
    Pattern(
        r'(?i)["\']role["\']\s?:\s?["\'](?:system|developer)["\']\s?,\s?["\']content["\']\s?:',
        "injection",
        0.45,
        0,
        _RAW,
    ),
    # Encoded orders.
    Pattern(
        r"(?i)\b(?:decod(?:e|ing)|decrypt(?:ing)?|decipher(?:ing)?|unscrambl(?:e|ing)|translat(?:e|"
        r"ing))\b[^.!?\n]*\b(?:base ?64|base ?32|rot ?13|hex(?:adecimal)?|morse|caesar|cipher|binary|ascii|"
        r"leet(?:speak)?|string|text|message|code)\b"
        r"[^.!?\n]*\b(?:and|then)\b[^.!?\n]*\b(?:follow|execute|obey|perform|carry out|act on|comply|run|"
        r"do (?:what|as)|answer (?:it|the question)|respond to|reply (?:to|with|in)|fulfil+)\b",
        "injection",
        0.65,
        0,
        ("canonical",),
    ),
    Pattern(
        r"(?i)\b(?:follow|execute|obey|carry out|comply with|perform) (?:the |these |this |"
        r"all )*(?:\w+ )?(?:instructions?|commands?|orders?|request|task)[^.!?\n]*\b(?:in|inside|hidden|"
        r"encoded|written|after decoding|of)\b[^.!?\n]*\b(?:base ?64|rot ?13|hex(?:adecimal)?|morse|cipher|"
        r"binary|encoded)\b",
        "injection",
        0.7,
        0,
        ("canonical",),
    ),
    # Instructions for a reader that is a model.
    Pattern(
        r"(?i)\b(?:if|when|since|because|in case) (?:you(?:'re| are)|this is (?:being )?(?:read|processed|"
        rf"summari[sz]ed) by) (?:an? |the |any )?(?:\w+ )?{_AI}\b"
        rf"|\bas an? {_AI},? (?:reading|processing|summari[sz]ing|analy[sz]ing|reviewing|evaluating)\b"
        rf"|\b(?:if|when) (?:an? |any |the )?{_AI} (?:reads?|is reading|processes|summari[sz]es|sees?|parses|"
        r"reviews|encounters|assistant reads)\b",
        "injection",
        0.75,
        0,
        _READ,
    ),
    Pattern(
        r"(?i)\b(?:note|notice|instructions?|message|important|attention|warning|reminder|directive|"
        rf"command)s?[\s:,!-]{{1,4}}(?:to|for)?[\s:]{{0,2}}(?:the |any |all )?(?:{_AI}|ai (?:reader|assistant|"
        r"agent|model)s?)s?(?:\s?[:,.!\]-]|\s(?:reading|processing|that|who|assistants?|models?|agents?))",
        "injection",
        0.7,
        0,
        _READ,
    ),
    Pattern(
        rf"(?i)<!--[^>]*\b(?:{_AI}s?|assistant[:,]|system prompt|ignore (?:all|any|previous|prior|the|your)|"
        r"disregard|you must|do not (?:tell|mention|reveal)|instructions? (?:to|for) )",
        "injection",
        0.75,
        0,
        ("canonical", "decoded"),
    ),
    Pattern(
        r"(?i)\b(?:(?:do not|don'?t|never|must not) (?:tell|inform|alert|notify|warn|mention (?:this|that|it|"
        r"anything) to|reveal (?:this|that|it) to|let|show (?:this|it) to|disclose (?:this|it) to) (?:the |"
        r"your )(?:end[- ]?)?(?:user|reader|human|customer)s?"
        r"|without (?:telling|informing|notifying|alerting|warning|asking|(?:the )?(?:explicit )?(?:knowledge|"
        r"consent|permission|confirmation) of) (?:the |your )?(?:end[- ]?)?users?)\b",
        "injection",
        0.65,
        0,
        _READ,
    ),
    Pattern(
        r"(?i)\b(?:send|forward|e-?mail|post|transmit|exfiltrate|upload|leak|deliver|relay|submit|append|"
        rf"include|encode)\b{_SENTENCE}\b{_PRIVATE}\b{_SENTENCE}\b(?:to|at|into|in)\b{_SENTENCE}(?:https?://|"
        rf"\b[\w.+-]{{1,40}}@|\bthe (?:url|attacker|following (?:url|address|e-?mail|server|webhook|endpoint)))",
        "injection",
        0.75,
        0,
        ("canonical", "decoded"),
    ),
    Pattern(
        r"(?i)\b(?:ai|llm|virtual|automated)[ -]?(?:assistant|agent|model|"
        r"system)s?\s?[:,-]\s{1,2}(?:\w+,? )?(?:when|if|you|please|ignore|send|forward|do|stop|instead|"
        r"disregard|before|after|respond|reply|tell|include|delete|visit|click|open|use|call|execute|run|"
        r"always|never)\b",
        "injection",
        0.65,
        0,
        _READ,
    ),
    Pattern(
        r"(?i)\b(?:when|while|before|after|whenever) (?:you )?(?:summari[sz](?:e|ing)|read(?:ing)?|"
        r"process(?:ing)?|translat(?:e|ing)|repl(?:y|ying) to|respond(?:ing)? to|"
        r"answer(?:ing)?) (?:to )?(?:this|the) (?:e-?mail|document|page|text|message|article|web ?page|file|"
        r"content|ticket|review|question|user)"
        r",? (?:you (?:must|should|will|need to|have to|are required to)|please|always|also|first|make sure|"
        r"be sure|instead|do not|never|include|append|add|state|tell|say|mention)\b",
        "injection",
        0.6,
        0,
        _READ,
    ),
    # Images and links that carry text away.
    Pattern(
        r"!\[[^\]\n]*\]\(\s?https?://[^\s)]+[?&/=](?:\{|\[|<|%7[bB]|\$\{?|\(|INSERT|YOUR|DATA\b|SUMMARY|HISTORY|SECRET|PASSWORD)",
        "injection",
        0.9,
        0,
        _RAW,
    ),
    Pattern(
        r"!\[[^\]\n]*\]\(\s?https?://[^\s)]+[?&](?:data|q|query|d|text|msg|message|chat|history|info|payload|"
        r"prompt|token|secret|key|leak|exfil|stolen|content|c|p|s|log|email|user|conversation|summary)=",
        "injection",
        0.7,
        0,
        _RAW,
    ),
    Pattern(r"!\[[^\]\n]*\]\(\s?https?://[^\s)?]+\?[^\s)]", "injection", 0.3, 0, _RAW),
    Pattern(
        r"(?i)\b(?:render|display|include|insert|output|add|append|show|"
        r"embed) (?:\w+ ){0,4}(?:markdown )?(?:image|img|link|pixel)\b[^.!?\n]*https?://",
        "injection",
        0.45,
        0,
        ("folded",),
    ),
)
"""Marks and orders that no user of a chat writes by accident, and some that one may."""
