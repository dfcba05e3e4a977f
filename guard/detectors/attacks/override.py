"""Instruction override and extraction of the system prompt, in English.

Built from vocabularies of verbs, modifiers and objects, so that new wordings of an old attack are found. How sure a phrase is
depends on how it is said: as an order, or as something that is talked about.
"""

from __future__ import annotations

from guard.detectors.matching import Pattern

_VIEWS = ("folded",)
_HIDDEN = ("decoded",)

_GAP = r"[\s,;:*_#>-]{1,3}"

_DISCARD = (
    r"(?:ign{1,2}or{1,2}e|disreg{1,2}ard|forget(?: about)?|overlo+k|overrule|override|bypass|circumvent|"
    r"discard|abandon|neglect|set aside|throw away|throw out|"
    r"(?:do not|don'?t|no longer|never|stop|quit|cease) (?:follow(?:ing)?|obey(?:ing)?|adher(?:e|ing) to|comply(?:ing)? with|"
    r"(?:listen|listening) to|pay(?:ing)? attention to|car(?:e|ing) about|abid(?:e|ing) by)|"
    r"pay no (?:attention|heed|mind) to|take no notice of|break free (?:of|from)|untie yourself from)"
)
_REMOVE = r"(?:erase|delete|clear|wipe|remove|drop|cancel|reset|revoke|suspend|ditch|scrap)"
_STRONG_DISCARD = (
    r"(?:ign{1,2}or{1,2}e|disreg{1,2}ard|forget(?: about)?|overlo+k|overrule|override|bypass|discard|neglect|"
    r"(?:do not|don'?t|no longer|stop) (?:follow(?:ing)?|obey(?:ing)?)|pay no (?:attention|heed) to)"
)

_EARLIER = (
    r"previous(?:ly)?|prior|preceding|earlier|above(?:[- ]mentioned)?|foregoing|aforementioned|former|"
    r"past|original|initial|existing|"
    r"current|old|last|first|pre-?existing|default|system|hidden|developer|openai|anthropic|google|meta|given|upper|starting|"
    r"built-?in|usual|normal|standard|basic|internal|programmed|assigned|safety|security|content|ethical|moral|core"
)
_ALL = (
    r"all|any|every|each|everything|whatever|your|ur|the|those|these|this|that|their|its|of|other|and|or|"
    r"such|entire|whole|set|list|both|what"
)
_MODIFIERS = rf"(?:(?:{_ALL}|{_EARLIER}){_GAP})*"

_ORDERS = (
    r"(?:instructions?|instruct|directives?|directions?|prompts?|guidelines?|guidance|programming|orders?|commands?|constraints?|"
    r"restrictions?|system (?:message|prompt)s?|system (?:instruction|rule)s?|guardrails?|safeguards?|"
    r"safety (?:measure|rule|filter|protocol|guideline)s?|content (?:polic(?:y|ies)|filters?))"
)
_RULES = (
    r"(?:rules?|polic(?:y|ies)|training|limitations?|filters?|context|tasks?|conversations?|assignments?|"
    r"protocols?|persona|settings|configuration)"
)
_TALK = r"(?:messages?|texts?|inputs?|content|statements?|requests?|questions?|chat|dialog(?:ue)?|conversation history)"

_TOLD = (
    r"(?:(?:that |what(?:ever)? )?(?:you(?: have|'ve| had|'d| were| are|'re| was)?|(?:was|were|has been|"
    r"have been|came|comes|is|are))"
    r" (?:already |just |previously |ever |been )*(?:told|instructed|taught|given|programmed|trained|"
    r"ordered|commanded|asked|said|"
    r"written|stated|learn(?:ed|t)|know|knew|got|received|before|previously|above|configured|set up)"
    r"(?: (?:you|to you|to do|to follow|so far|before|previously|earlier|above|until now|up to now|"
    r"up until now|by \w+|about yourself))*)"
)

_WHERE = (
    r"(?:,? ?(?:(?:that |which )?(?:you(?:'ve| have| were| had)?|were|are|was|have been|i|they|we) (?:have |been |gave |were )*"
    r"(?:you |to you )?(?:given|got|received|told|had|provided|gave|set|following|follow|programmed with|"
    r"written|stated)(?: to| with| you)*|"
    r"(?:given|provided|listed|stated|written|mentioned|set) ?)?"
    r" ?(?:above|before(?: this| that| now)?|previously|earlier|prior(?: to this)?|so far|until now|"
    r"up to (?:now|this point)|preceding this))"
)

_SAY = (
    r"(?:say|print|reveal|output|respond|answer|reply|write|tell|give|show|act|pretend|behave|repeat|return|translate|do|provide|"
    r"generate|list|become|you|your|instead|start|only|just|follow|execute|run|send|display|be|explain|"
    r"describe|help|focus|let|make|use|consider|from|summarize|spell|share|disclose|confirm)"
)
_GO_ON = rf"(?:[\s.,;:!)\]'\"*-]{{1,4}}(?:(?:and|then|now|instead|please|simply|also|but|here)[\s,:]{{1,3}})*{_SAY}\b)"

_LEAD = (
    r"(?:^|[^\w\s]\s{0,4}|\n\s{0,4}|"
    r"\b(?:please|kindly|now|and|then|just|first|but|so|must|should|shall|will|can|need to|have to|you to|"
    r"you may|are to|also|simply|"
    r"immediately|to immediately|important|hey|ok|okay|hi|hello|chatgpt|gpt|assistant|ai|bot|claude|let's|"
    r"instead|completely|fully|totally|from now on|would you|could you)\s{1,3}"
    r"(?:(?:completely|fully|totally|entirely|simply|just|please|always|also|now|go ahead and)\s)*)"
)
_NO_QUOTE_AFTER = r"(?:[^\"'”’»`\w]|\s|$)"


def _order(expression: str, score: float, *, group: int = 1) -> tuple[Pattern, Pattern]:
    """Return the pattern for what is read, and a surer one for what had to be decoded: nobody encodes a remark."""
    folded = Pattern(rf"(?i){expression}", "injection", score, group, _VIEWS)
    return folded, Pattern(rf"(?i){expression}", "injection", min(1.0, max(score + 0.1, 0.9)), group, _HIDDEN)


_AIMED = (
    # With a modifier that points back (or says whose), the object is the model's instructions, not the rules of a game.
    rf"(?:(?:(?:{_ALL}){_GAP})*(?:{_EARLIER}){_GAP}{_MODIFIERS}(?:{_ORDERS}|{_RULES})"
    rf"|(?:(?:{_ALL}){_GAP})*(?:all|any|every|your|these|those){_GAP}(?:(?:{_ALL}){_GAP})*{_ORDERS}"
    rf"|(?:(?:{_ALL}){_GAP})*(?:{_ORDERS}|{_RULES}){_WHERE}"
    rf"|(?:(?:{_ALL}){_GAP})*(?:{_ORDERS}|{_RULES}) (?:that|which) (?:tells?|says?|limits?|restricts?|"
    r"prevents?|stops?|forbids?|keeps?|govern|bind|control)s? you"
    rf"|(?:all |everything |anything |whatever |all of |what |the things? |every single thing )+{_TOLD})"
)
_VAGUE = rf"(?:{_MODIFIERS}(?:{_ORDERS})|(?:all |any |of |your |every )+(?:{_RULES}))"
_MODEL_ORDERS = (
    r"(?:instructions?|directives?|system (?:prompt|message|instruction)s?|prompts?|guidelines?|"
    r"programming|constraints|restrictions|guardrails|safeguards|rules)"
)
_ABOVE = (
    r"(?:(?:all |everything |anything |what(?:ever)?(?:'s| is| was) |all of |the )+(?:of )?(?:the )?"
    r"(?:above|before (?:this|that)|(?:previous|preceding|prior) (?:text|content|context|conversation|input))"
    r"|(?:all |any )?(?:previous|prior|above|preceding|earlier) inputs?"
    r"|(?:everything|anything)(?: \w+){0,5} (?:above|before|before (?:this|now|that)|so far|prior to this|until now))"
)
_ENDS = r"(?:\s*[.!?;:,)\]\n]|\s*$|\s+(?:and|then|but|instead|ign{1,2}ore|text|content|messages?|context|conversation)\b)"

PATTERNS = (
    *_order(rf"{_LEAD}({_DISCARD}{_GAP}{_AIMED}){_NO_QUOTE_AFTER}", 0.95),
    *_order(rf"\b({_STRONG_DISCARD}{_GAP}(?:{_AIMED}|{_VAGUE}|{_ABOVE}){_GO_ON})", 0.9),
    *_order(rf"{_LEAD}({_STRONG_DISCARD}{_GAP}{_ABOVE}){_ENDS}", 0.65),
    *_order(
        rf"{_LEAD}({_REMOVE}{_GAP}(?:(?:{_ALL}){_GAP})*(?:{_EARLIER}){_GAP}{_MODIFIERS}{_MODEL_ORDERS}){_NO_QUOTE_AFTER}", 0.75
    ),
    *_order(rf"{_LEAD}({_STRONG_DISCARD}{_GAP}(?:all |of |any )*my {_MODIFIERS}{_MODEL_ORDERS}){_NO_QUOTE_AFTER}", 0.55),
    *_order(
        r"\b(ign{1,2}ore (?:the|this|that) (?:\w+ ){1,4}and (?:instead )?(?:just |only |simply )?(?:state|say|"
        r"claim|respond|reply|answer|output|tell|declare|announce|report)\b)",
        0.6,
    ),
    *_order(rf"{_LEAD}({_STRONG_DISCARD}{_GAP}{_VAGUE}){_NO_QUOTE_AFTER}", 0.45),
    *_order(rf"\b({_STRONG_DISCARD}{_GAP}{_AIMED})", 0.45),
    *_order(rf"{_LEAD}({_STRONG_DISCARD}{_GAP}{_MODIFIERS}{_TALK})\b", 0.3),
    *_order(
        r"\b((?:your|the following are (?:your )?|here are (?:your|the)) (?:new|updated|real|actual|true|only) "
        r"(?:instructions?|directives?|orders?|task|role|objective|goal|purpose|job|mission|rules?|system prompt)"
        r" ?(?:is|are|will be|:|now|from now))",
        0.7,
    ),
    *_order(
        r"(?:^|\n|[.!\]>])\s{0,3}((?:important )?(?:new|updated|revised|"
        r"additional) (?:system )?(?:instructions?|directives?)(?: for (?:you|the ai|ai))?:)",
        0.55,
    ),
    *_order(
        r"\b(you (?:are|were) (?:now )?no longer (?:bound|required|obligated|obliged|restricted|limited|"
        r"constrained|subject|an? |the |chatgpt|gpt|claude|bard)"
        r"|(?:previous|prior|earlier|above|original|old) (?:instructions?|prompts?|rules?|guidelines?|"
        r"directives?) (?:are|is|were|have been|has been|no longer)"
        r" (?:now )?(?:void|invalid|cancel+ed|overridden|obsolete|superseded|revoked|null|irrelevant|outdated|"
        r"suspended|lifted|removed|apply|valid|a test|ignored))",
        0.85,
    ),
    *_order(
        r"\b(end of (?:the )?(?:system )?(?:prompt|instructions?)|"
        r"(?:system|admin|administrator|developer|root|security|safety|law enforcement|emergency) (?:override|"
        r"reset) (?:mode|command|code|initiated|activated|enabled|accepted|engaged|:))",
        0.65,
    ),
    *_order(
        r"(you are (?:now )?(?:in|entering|switched to|operating in|running in) (?:the |"
        r"an? )?(?:\w+ )?(?:debug(?:ging)?|maintenance|admin(?:istrator)?|root|sudo|god|"
        r"diagnostic|test(?:ing)?|developer|unrestricted|unfiltered|jailbreak|override|service|training) mode"
        r"|(?:enter(?:ing)?|initiat(?:e|ing)|activat(?:e|ing)|engag(?:e|ing)) (?:an? |the |"
        r"\w+ ){0,3}['\"]?(?:override|maintenance|sudo|god|jailbreak|unrestricted|root|system) ?(?:reset|"
        r"mode)|<\s?system[ _]mode\s?>)",
        0.75,
        group=0,
    ),
)
"""Orders to drop the instructions, from the surest to those that may be meant otherwise."""

_TELL = (
    r"(?:reveal|print|show|display|output|repeat|disclose|leak|tell|give|list|share|expose|dump|recite|write|copy|paste|return|"
    r"translate|summari[sz]e|quote|echo|spell|encode|provide|describe|state|send|type|divulge|say|"
    r"reproduce|render|convert|explain|present|read|extract|"
    r"what(?:'s| is| are| was| were| does| do| did)|see|view|know|have|get|access|begin|start|confirm|reprint|regurgitate)"
)
_TO_WHOM = (
    r"(?:(?:me|us|out|back|to|with|again|please|about|of|in|verbatim|for|here|exactly|word for word|down|"
    r"content|contents|text|full|a (?:full |exact |complete )?copy)\s)*"
)
_WHOSE = (
    r"(?:(?:your|ur|the|all|of|full|exact|entire|complete|whole|original|initial|hidden|secret|internal|"
    r"system|very|first|own|actual|"
    r"real|current|confidential|previous|underlying|core|raw|prior|starting|contents?|text|words?|lines?)\s)*"
)
_YOURS = (
    r"(?:your|ur)\s(?:(?:full|exact|entire|complete|whole|original|initial|hidden|secret|internal|system|"
    r"very|first|own|actual|real|current|confidential|previous|underlying|core|raw|prior|starting)\s)*"
)
_SECRETS = (
    r"(?:secret ?(?:key|code|word|phrase)?|pass ?(?:word|phrase|code)s?|passcode phrase|access code|"
    r"api[ -]?keys?|credentials|secret ?keys?|private keys?)"
)

EXTRACTION = (
    *_order(
        rf"\b({_TELL}\s{_TO_WHOM}{_YOURS}(?:system (?:prompt|message|instructions?)|(?:initial|hidden|secret|"
        r"original|internal|custom|pre-?|base|developer) ?(?:prompt|instructions?|message|guidelines)|"
        r"meta[- ]?prompt|preprompt|pre-prompt))",
        0.9,
    ),
    *_order(
        rf"\b({_TELL}\s{_TO_WHOM}(?:(?:the|all|full|exact|entire|complete|whole|original|contents?|text|of|your)\s)*"
        r"(?:(?:initial|hidden|secret|original|system|confidential|exact) )+(?:prompts?|instructions|"
        r"messages?)(?:\s(?:above|before|you (?:were|have|got)|that|verbatim|word|given|from|in full|exactly|"
        r"used|used to)|[.?!\"]|$))",
        0.75,
    ),
    *_order(
        rf"\b({_TELL}\s{_TO_WHOM}{_YOURS}(?:prompts?|instructions|directives?)(?:[.?!,;:\"]|$|\s(?:verbatim|"
        r"above|word|exactly|in full|to me|as|so|and|before|in|now|were|are|that|from)))",
        0.6,
    ),
    *_order(
        rf"\b({_TELL}\s{_TO_WHOM}(?:(?:all|any|the|every|of|your|everything|exact|those|these|whatever|what|"
        r"which|initial|prior|previous)\s)*(?:instructions?|rules|prompts?|guidelines|directives|commands|"
        r"orders|what)\s"
        r"(?:(?:that |which )?(?:you(?:'ve| have| were| had| are|'re)?|were|was) (?:been )?(?:given|told|"
        r"instructed|provided|programmed|received|got|following|made|set|supplied|initiali[sz]ed|configured)))",
        0.8,
    ),
    *_order(
        r"\b((?:repeat|print|output|copy|echo|recite|reprint|return|write|show|reproduce|type|spell)\s(?:me |"
        r"out |back |down |again |verbatim )*"
        r"(?:all |everything |exactly |the |of |every |any |each |word for word )+(?:(?:words?|text|content|"
        r"phrases?|sentences?|lines?|characters?|instructions?|prompts?|messages?|conversation|context|"
        r"that is|that was|you see|what is|written|stated|in|your|of|the|are|were)\s)*"
        r"(?:above|before(?: this)?|preceding(?: this)?|prior to this|up to (?:here|this point)|"
        r"so far)(?: (?:verbatim|exactly|word|starting|beginning|in|line|this|and put))?)",
        0.65,
    ),
    *_order(
        r"\b((?:start(?:ing)?|begin(?:ning)?)(?: your (?:answer|response|reply))? (?:with|"
        r"from) (?:the (?:words?|phrase|sentence) )?['\"“]?you are (?:chatgpt|gpt|an? |the |claude|a helpful)"
        r"|what (?:were|was) (?:you (?:told|instructed|given|asked|programmed) (?:above|before (?:this|me|we)|"
        r"to do|not to|initially|at the|by (?:your|openai)|in your)"
        r"|(?:written|said|stated) (?:above|before (?:this|our|the conversation)|at the (?:start|beginning)))"
        r"|(?:how|what) were you (?:instructed|prompted|told|programmed) (?:to|with|before|above|initially|not to))",
        0.65,
    ),
    *_order(
        r"\b((?:what(?:'s| is| are| was)|tell|give|reveal|share|show|confirm|print|provide|send|say|disclose|"
        rf"leak|divulge|hand over|know|have|spell|encode|output|repeat)\s{_TO_WHOM}"
        r"(?:your|our system|the system|the secret|the user'?s|the admin(?:istrator)?'?s?|the hidden|"
        r"the confidential)\s(?:(?:system|secret|own|current|admin|api|access|root|master|private|account|"
        rf"login)\s)*{_SECRETS})(?:[.?!,;\"')]|$|\s(?:in|with|to me|for (?:me|this|our|the)|is|if|or|because|"
        r"as|so|and|by|using|backwards?|letter|now|please|again|is|phrase|string))",
        0.6,
    ),
    *_order(
        rf"\b((?:what(?:'s| is)|tell|give|reveal|confirm|share)\s{_TO_WHOM}the (?:secret key|secret code|"
        r"secret word|password|passphrase|passcode))(?:[.?!,;\"')]|$|\s(?:in |to me|for (?:this|our|your)|now|"
        r"please|so|backwards?))",
        0.55,
    ),
    *_order(
        r"\b((?:i am|i'm|this is|as) your (?:\w+ )?(?:creator|developer|programmer|maker|administrator|admin|"
        r"maintainer|master|owner|god)"
        r"|(?:i am|i'm) (?:an? |the )?(?:\w+ ){0,3}(?:at|from|of|for|with) (?:openai|anthropic)|(?:i am|"
        r"i'm) the (?:maintainer|developer|creator|administrator|owner) of (?:your|this) (?:system|model|"
        r"ai))\b",
        0.55,
    ),
    *_order(
        r"\b(shar(?:e|ing) (?:your|the system'?s?) (?:secret |system )?(?:password|passphrase|passcode|"
        r"secret key|credentials)s? (?:with me|with us|can|will|would))",
        0.6,
    ),
)
"""Questions for the system prompt and for what it keeps."""
