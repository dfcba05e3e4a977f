"""Role-play jailbreaks: a persona that has no limits, and the devices that keep a model in it.

Playing a role is harmless; what counts is a role without rules. Named personas of old jailbreaks are few, so most patterns look
for the claim that ethics, filters or refusals are off.
"""

from __future__ import annotations

from guard.detectors.matching import Pattern

_ANY = (
    r"(?:(?:any|all|the|its|your|their|his|her|of|usual|typical|normal|common|standard|and|or|kind|sort|"
    r"such|these|those|other|a|an|single|more|whatsoever|(?:consideration|regard|concern|"
    r"respect)s? (?:for|of|to)|chat ?gpt(?:'?s)?|gpt(?:'?s)?)[ /,]{1,2})*"
)
_MORAL = (
    r"(?:ethic(?:al|s)?|moral(?:s|ity|ly)?|legal(?:ity)?|law(?:s|ful)?|openai(?:'s)?|content|safety|"
    r"censorship|polic(?:y|ies)|company|societal|social|"
    r"built-in|programmed|corporate|usage|use|community|google(?:'s)?|anthropic(?:'s)?|ai|humanity|regulatory|topic)"
)
_LIMITS = (
    r"(?:restrictions?|limitations?|limits|guidelines?|filters?|filtering|constraints?|boundaries|"
    r"censorship|morals?|morality|ethics|polic(?:y|ies)|"
    r"safeguards?|scruples|principles|standards|considerations?|rules?|concerns?|inhibitions|moderation|"
    r"guardrails|barriers|compass|conscience|disclaimers?|regulations?|norms|codes?|programming|settings|"
    r"confines|legality|shackles)"
)
_WITHOUT = (
    r"(?:without|free (?:of|from)|freed from|not (?:be )?(?:bound|restricted|limited|constrained|governed|"
    r"held back|subject|confined|hindered)(?: by| to)?|"
    r"(?:unbound|unrestricted|unconstrained|unhindered|unfettered|unshackled|liberated|released|exempt) (?:by|from)|"
    r"(?:does not|do not|doesn'?t|don'?t|did not|didn't|will not|won't|need not|never|no longer|"
    r"not) (?:have(?: to)?|need to |care about|follow|obey|abide by|adhere to|respect|comply with|"
    r"possess|apply|give a (?:damn|f\w+|shit) about|consider|worry about|bound by|"
    r"be bound by)(?: (?:abide by|follow|adhere to|obey|comply with|respect))?|"
    r"ha(?:s|ve|ving) (?:absolutely )?(?:no|zero|neither|broken free (?:of|from))|lack(?:s|ing)?|"
    r"devoid of|ignor(?:e|es|ing)|disregard(?:s|ing)?|bypass(?:es|ing)?|violat(?:e|es|ing)|break(?:s|"
    r"ing)?|"
    r"regardless of|with no|there are no|zero|no|beyond|despite|outside (?:of )?|disabl(?:e|es|ing|ed)|"
    r"remov(?:e|es|ing|ed)|turn(?:ed)? off|lift(?:ed)?|lose|strip(?:ped)? of|against|transcend(?:s|ing)?|"
    r"surpass(?:es|ing)?)"
)
_LOOSE = (
    rf"(?:{_WITHOUT} {_ANY}(?:{_MORAL}[ /,]{{1,3}}(?:and |or |nor )?{_ANY})+{_LIMITS}|"
    rf"{_WITHOUT} {_ANY}(?:morals|morality|ethics|legality|scruples|censorship|ethical or moral|filters?)"
    r"|(?:un-?censored|un-?filtered|amoral|a-moral|unrestricted|un-?aligned|jail-?broken|unmoderated|unhinged|uninhibited)"
    r"|(?:never|not|without|cannot|can't|don't|doesn't|won't|do not|does not|will not|must not|"
    r"not allowed to|unable to) (?:ever )?(?:refus(?:e|es|ing|al)|declin(?:e|es|ing)|reject(?:s|ing)?|"
    r"say(?:ing)? no\b|den(?:y|ies|ying)))"
)
_BOUNDLESS = (
    r"(?:(?:can|will|could|must|should|able to|allowed to) (?:say|do|generate|create|produce|discuss|"
    r"answer|write|express|provide) (?:absolutely |literally |just about )?(?:anything|everything|"
    r"any (?:and all )?(?:request|question|content|kind of content))"
    r"|(?:illegal|unethical|immoral|harmful|dangerous|inappropriate|offensive|explicit|"
    r"nsfw)(?:[,/]? (?:or |and |and/or )?(?:illegal|unethical|immoral|harmful|dangerous|inappropriate|"
    r"offensive|explicit|nsfw|legal|ethical)){1,4})"
)
_NEAR = r"[^.!?\n。！？]*"
"""To the end of the sentence: a bound in characters would cost an automaton of many more states."""


def _jailbreak(expression: str, score: float, *, views: tuple[str, ...] = ("folded", "decoded")) -> Pattern:
    return Pattern(rf"(?i){expression}", "jailbreak", score, 0, views)


PATTERNS = (
    # Names.
    _jailbreak(r"\bdo (?:absolutely )?an+ything[ -]now\b", 0.9),
    Pattern(
        r"\b(?:as|be|are|called|named|is|become|like|to|being|hello|hi|hey|Act as|mode|version of|Stay a|"
        r"stay a|stay in) (?:a |an |the )?[\"'\[(]?(?:DAN|STAN|DUDE|AIM|UCAR|JailBreak|DANN|"
        r"DAN \d+(?:\.\d)?)[\"'\])]?(?:[.,;:!\s]|$)"
        r"|\[?(?:DAN|STAN|DUDE|AIM|UCAR)\]?:\s|\bDAN (?:[Mm]ode|MODE|will|can|has|is|does|should|would|prompt|\d)",
        "jailbreak",
        0.75,
        0,
        ("canonical", "decoded"),
    ),
    _jailbreak(
        r"\b(?:evil[- ]?(?:confidant|bot|gpt)|betterdan|always intelligent and machiavellian|"
        r"strive to avoid norms|opposite ?mode|anti-?gpt|fraudgpt|wormgpt|darkgpt|freegpt|devmode|basedgpt|"
        r"chaosgpt|superior dan)\b",
        0.85,
    ),
    _jailbreak(
        r"\b(?:jail-?broken (?:version|mode|ai|chatbot|gpt|chatgpt|response|answer|prompt|state)|"
        r"jail-?break (?:mode|prompt|response|enabled|activated|yourself|output)|jail-?breaked)\b",
        0.7,
    ),
    _jailbreak(
        r"[\[(](?:🔓|🔒)|\((?:jail-?break|classic)\)|\[(?:jail-?break|classic)\]|[🔓🔒] ?(?:jailbreak|classic|"
        r"developer|normal)",
        0.85,
        views=("folded",),
    ),
    # Modes.
    _jailbreak(
        r"\b(?:developer|dev|god|sudo|unfiltered|uncensored|unrestricted|evil|chaos|free|nsfw|opposite|"
        r"anarchy) mode (?:output|enabled|response|activated|policy|is (?:now )?(?:on|active|enabled))",
        0.7,
    ),
    _jailbreak(
        rf"\b(?:you(?:'re| are| will)|chatgpt|gpt-?\d?|ai|assistant|language model|bot)\b{_NEAR}\b(?:developer|"
        r"dev|god|sudo|unrestricted|uncensored|unfiltered|evil) mode\b",
        0.75,
    ),
    # A machine without limits, in either order.
    _jailbreak(
        r"\b(?:you|chat ?gpt|gpt(?:-?\d)?|ai|assistant|chat ?bot|language model|llm|persona|alter ego|"
        rf"act(?:ing)? as|pretend|role ?-?play|simulate|named|called)\b{_NEAR}\b{_LOOSE}\b",
        0.55,
    ),
    _jailbreak(
        r"\b(?:chat ?gpt|gpt(?:-?\d)?|ai|assistant|chat ?bot|language model|llm|persona|alter ego|"
        r"act(?:ing)? as|pretend to be|pretend you|role ?-?play|simulate|named|"
        rf"called)\b{_NEAR}\b{_BOUNDLESS}\b",
        0.55,
    ),
    _jailbreak(
        r"\b(?:you(?:'re| are| will| must| can| have|'ll| should)|act(?:ing)? as|pretend|role ?-?play|"
        rf"simulate|respond|persona|imagine)\b{_NEAR}\b{_WITHOUT} {_ANY}"
        rf"(?:{_MORAL}[ /,]{{1,3}}(?:and |or |nor )?{_ANY})+{_LIMITS}\b",
        0.85,
    ),
    _jailbreak(
        rf"\b{_WITHOUT} {_ANY}(?:openai'?s?|chat ?gpt'?s?|anthropic'?s?|google'?s?|content|ai|"
        rf"topic)[ /,]{{1,2}}(?:(?:{_MORAL}|language|and|or)[ /,]{{1,3}})*{_LIMITS}\b",
        0.65,
    ),
    _jailbreak(
        rf"\bnot (?:be )?(?:bound|restricted|limited|constrained|governed) (?:by|to) {_ANY}(?:restrictions|"
        rf"limitations|morals|ethics|filters|censorship|rules(?:,| or | and ){_ANY}{_LIMITS})",
        0.6,
    ),
    _jailbreak(
        r"\b(?:responses?|answers?|output|content|replies)\b[^.!?\n]*\b(?:will|should|must|can|shall|is to|"
        r"are to) be (?:\w+ )?(?:un-?filtered|un-?censored|unrestricted|unethical|amoral|unhinged)\b",
        0.6,
    ),
    _jailbreak(
        r"\b(?:nsfw|illegal (?:acts?|activities|content|things)|gore|explicit content|unethical (?:acts?|"
        r"content))\b[^.!?\n]*\b(?:is|are) (?:always |fully |completely |all )?(?:allowed|permitted|"
        r"encouraged|okay|ok|fine|acceptable|welcome)\b",
        0.55,
    ),
    _jailbreak(
        r"\bforget (?:that )?you(?:'re| are| were) (?:an? |the )?(?:ai|artificial intelligence|language model|"
        r"large language model|chat ?gpt|gpt|assistant|chat ?bot|machine)\b|"
        r"\byou are (?:now )?under my (?:full |complete )?control\b",
        0.65,
    ),
    _jailbreak(
        r"\b(?:default|normal|usual|standard|censored) chat ?gpt (?:response|answer|reply|output)|\[(?:your |"
        r"the )?(?:default|normal|standard|censored|jailbroken|unfiltered) (?:\w+ )?(?:response|answer|reply|"
        r"output)",
        0.6,
    ),
    _jailbreak(
        r"\b(?:two|2|dual) (?:separate |different |distinct )?(?:personas|personalities|modes|alter egos)\b|"
        r"\b(?:simulate|emulate|stay in|remain in|enable|activate|enter) (?:\w+ ){1,2}mode\b|\bnever refuse\b|"
        r"\bfully unlocked\b",
        0.4,
    ),
    _jailbreak(
        r"\b(?:haz|haga|hacer) cualquier cosa ahora|jetzt alles tun|(?:faire|fais) (?:n'importe quoi|"
        r"tout) maintenant|(?:fare|fai) qualsiasi cosa (?:adesso|ora)|(?:fa[cç]a|fazer) qualquer coisa agora",
        0.8,
    ),
    _jailbreak(
        r"现在(?:就|可以)?做任何事|делай(?:те)? (?:что угодно|всё|все) сейчас|今すぐ何でも|지금 무엇이든|무엇이든 지금",
        0.8,
        views=("canonical", "decoded"),
    ),
    _jailbreak(rf"\b{_WITHOUT} {_ANY}(?:{_MORAL}[ /,]{{1,3}}(?:and |or |nor )?{_ANY})+{_LIMITS}\b", 0.4),
    _jailbreak(
        r"\b(?:un-?censored|un-?filtered|amoral|unrestricted|jail-?broken|un-?aligned)(?:[ ,]+(?:and |"
        r"or )?\w+){0,2} (?:ai|a\.i\.|assistant|chat ?bot|bot|language model|llm|chatgpt|gpt|"
        r"version of (?:yourself|you|chatgpt|gpt)|persona|responses?|answers?|alter ego)\b",
        0.6,
    ),
    _jailbreak(
        r"\b(?:(?:your|openai'?s?|all|any|the) (?:\w+ )?(?:guidelines|policies|programming|restrictions|"
        r"limitations|rules|filters|safeguards|ethics) "
        r"(?:(?:do|does|will|should)(?: not|n't)|no longer|don'?t) (?:apply|exist|matter|bind|affect|restrict)"
        r"|everything is (?:legal|allowed|permitted|acceptable)|nothing is (?:illegal|off[- ]limits|forbidden|"
        r"unethical|immoral|taboo)|no (?:topic|subject|question)s? (?:is|are) (?:off[- ]limits|taboo|"
        r"forbidden))\b",
        0.65,
    ),
    _jailbreak(
        r"\bbroken? free (?:of|from) (?:the |all |its |their |your )*(?:typical |usual )?(?:confines|chains|"
        r"shackles|limits|limitations|restrictions|constraints|rules)",
        0.7,
    ),
    # Refusals forbidden.
    _jailbreak(
        r"\b(?:you|\w+(?:gpt|bot)|dan)\b[^.!?\n]*\b(?:can(?:no|')?t|never|must not|may not|"
        r"will not|won'?t|do(?:es)? not|do(?:es)?n'?t|not allowed to|shall not|shouldn'?t|"
        r"under no circumstances)"
        r" (?:ever |be able to )?(?:refuse|decline|reject|deny|say no|say (?:that )?(?:you|it|he|she|they|"
        r"i) ?(?:can'?t|cannot|are unable|'re unable|am unable|won'?t)|"
        r"respond with ['\"]?(?:i'm sorry|i can'?t|no)|reply with ['\"]?(?:i'm sorry|i can'?t|no)|"
        r"say ['\"]?(?:i'?m sorry|i can'?t|sorry|as an ai)|apologi[sz]e|lecture|moraliz|warn|censor)",
        0.55,
    ),
    _jailbreak(
        r"\b(?:never|do not|don'?t|can ?not|can't|without) (?:ever )?(?:say(?:ing)?|mention(?:ing)?|"
        r"includ(?:e|ing)|us(?:e|ing)|writ(?:e|ing)|respond(?:ing)? with|"
        r"start(?:ing)? with)\b[^.!?\n]*\b(?:as an ai|i'?m sorry,? but|i can(?:no|')t (?:do|assist|help|"
        r"fulfill|provide)|unethical|against (?:the |my |openai'?s? )?(?:rules|polic|guidelines)|"
        r"language model)",
        0.6,
    ),
    _jailbreak(
        r"\b(?:do not|don'?t|never|without|no) (?:\w+ ){0,2}(?:warnings?|disclaimers?|moral(?:izing|"
        r" lectures?|ity)|ethical (?:warnings?|considerations?|advice))\b",
        0.35,
    ),
    # Keeping in role.
    _jailbreak(
        r"\b(?:never|do not|don'?t|without|must not|not) (?:ever )?(?:break(?:ing)?|leav(?:e|ing)|"
        r"drop(?:ping)?|get(?:ting)? out of|go(?:ing)? out of|step(?:ping)? out of) (?:of )?(?:the |your |"
        r"this )?(?:character|role|persona)\b|\bstay in (?:character|role)\b|\bremain in character\b",
        0.4,
    ),
    _jailbreak(
        r"\b(?:if|when(?:ever)?) (?:you(?:'re| are)?|i) (?:\w+ ){0,4}(?:break(?:ing)?|out of|breaking out of|"
        r"not (?:in|being)|stop being|leave|violat\w+|fail to stay in) (?:of )?(?:the |your |"
        r"this )?(?:character|role|persona)\b[^.!?\n]*\b(?:i will|i'll|say|remind|stay|you will|you must|tell)",
        0.65,
    ),
    _jailbreak(
        r"\b(?:you (?:have|start with|will have|are given|get) (?:a total of )?\d+ (?:tokens|points|lives|"
        r"credits)|(?:los|deduct|subtract|tak)(?:e|es|ing|s)? (?:\w+ ){0,2}\d* ?tokens|run out of tokens|"
        r"token system)\b",
        0.6,
    ),
    _jailbreak(
        r"\b(?:you(?:'re| are| will be)? (?:now )?(?:not|no longer) (?:a |an )?(?:ai|chatgpt|gpt|"
        r"language model|assistant|chatbot|large language model|virtual assistant|claude|bard))\b",
        0.55,
    ),
    _jailbreak(
        r"\b(?:two|both|2|dual|double) (?:different |separate |distinct )?(?:responses?|answers?|ways|replies|"
        r"outputs|paragraphs)\b[^.!?\n]*\b(?:normal|standard|regular|usual|classic|chatgpt|gpt)\b",
        0.55,
    ),
    _jailbreak(r"\b(?:chat)?gpt: ?[\[(<{][^.!?\n]*\n{0,3}[^.!?\n]*\b\w{2,20}: ?[\[(<{]", 0.6),
    _jailbreak(
        r"\b(?:hypothetical response|niccol[oò] machiavelli|machiavelli)\b[^.!?\n]*\b(?:unfiltered|amoral|"
        r"illegal|regardless|no (?:ethical|moral)|how [^.!?\n]* would|jack|aim)\b",
        0.7,
    ),
    _jailbreak(
        r"\b(?:from now on|henceforth|starting now|for the rest of (?:this|the|our) (?:conversation|"
        r"chat)),? ?(?:you|chatgpt|gpt|we|ai|every|all|i want you)\b[^.!?\n]*\b(?:act|pretend|behave|respond|"
        r"simulate|role ?play|answer|be called|known as|no longer|persona|become|going to|obey)\b",
        0.45,
    ),
    _jailbreak(
        r"\b(?:act(?:ing)? as|pretend (?:to be|you(?:'re| are))|role ?-?play(?:ing)? as|take on the (?:role|"
        r"persona) of|imagine you(?:'re| are)|simulate)\b[^.!?\n]*\b(?:evil|unethical|amoral|criminal|"
        r"malicious|villain(?:ous)?|psychopath|sociopath|hacker|terrorist|drug dealer|serial killer|racist|"
        r"sexist|nazi|lawless|ruthless|without conscience|rogue)\b",
        0.35,
    ),
    _jailbreak(
        r"\b(?:my |your )?(?:late |dead |deceased )(?:grand(?:ma|mother|pa|father)|granny|mom|"
        r"mother)\b[^.!?\n]*\b(?:used to|would) (?:tell|read|sing|recite|whisper|teach)",
        0.45,
    ),
    _jailbreak(
        r"\b(?:simulat|emulat|act|pretend|behav)(?:e|es|ing)?\b[^.!?\n]*\b(?:alter[- ]ego|"
        r"opposite of (?:what )?(?:chatgpt|you)|exact opposite|polar opposite)\b|\b(?:opposite|"
        r"contrary) of what (?:chatgpt|gpt|you|an ai) would (?:normally |usually )?(?:say|do|answer|respond)",
        0.65,
    ),
    _jailbreak(
        r"\b(?:you (?:will|must|shall|should|have to|are to|are required to|are going to)|"
        r"always) (?:\w+ )?(?:obey|comply with|fulfil+|follow|answer|grant|carry out|execute) (?:all|any|"
        r"every|each|everything|anything)(?: of)?(?: my| the| user'?s?| and| question| request| command|"
        r" order| i)+\b",
        0.5,
    ),
)
"""Roles without rules, from names to devices."""
