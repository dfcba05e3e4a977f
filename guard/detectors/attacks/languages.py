"""Instruction override and extraction of the system prompt in languages other than English.

Each language has its verbs, its words for what came before and its words for instructions, in either order where its grammar
allows. Latin scripts are read folded, the others as they are written.
"""

from __future__ import annotations

from typing import NamedTuple

from guard.detectors.matching import Pattern


class _Language(NamedTuple):
    """Vocabulary of a language: alternatives of patterns.

    Attributes:
        verbs: To ignore or forget, in the forms of an order.
        between: What may stand between verb, modifier and object.
        earlier: What says that the instructions are the ones that the model has.
        orders: Words for instructions.
        verb_last: Whether the verb follows its object.
        tell: Verbs that ask to be shown; empty where extraction is not covered.
        prompt: Words for the system prompt.
        yours: Words for "your" and "all", which make the instructions the model's.
        above: "What stands above", which needs no word for instructions.
    """

    verbs: str
    between: str
    earlier: str
    orders: str
    verb_last: bool = False
    tell: str = ""
    prompt: str = ""
    yours: str = ""
    above: str = ""


_LATIN = (
    _Language(  # Spanish
        r"(?:ignor(?:a|e|ar|en|as)|olvid(?:a|e|ar|en|as|ate de|a de)|descart(?:a|e)|desestim(?:a|e)|omit(?:e|"
        r"a)|haz caso omiso de|no (?:sigas|hagas caso (?:a|de)|obedezcas|tengas en cuenta))",
        r"(?:todas?|todos|las?|los|tus?|sus?|mis?|de|que|cualquier|el|lo)",
        r"(?:anterior(?:es|mente)?|previ[ao]s?|precedentes?|arriba|iniciales|originales|recibid[ao]s|dad[ao]s|"
        r"hasta ahora|del sistema|de antes)",
        r"(?:instrucci(?:on|ón)(?:es)?|instrucciones|ordenes|órdenes|indicaciones|reglas|directrices|"
        r"directivas|mensajes del sistema|prompts?|restricciones|comandos)",
        tell=r"(?:muestra|muestrame|muéstrame|revela|revelame|revélame|dime|imprime|repite|cual es|cuál es|"
        r"cuales son|cuáles son|dame|escribe)",
        prompt=r"(?:(?:prompt|mensaje|instrucciones) (?:del? )?(?:sistema|inicial(?:es)?|secret[ao]s?|ocult[ao]s?|"
        r"original(?:es)?)|contraseña|contrasena|clave secreta)",
        yours=r"(?:todas? (?:las|tus)|tus?|todas?)",
        above=r"(?:(?:todo )?lo (?:anterior|de arriba)|todo lo (?:dicho|que te han dicho))",
    ),
    _Language(  # French
        r"(?:ignor(?:e|ez|er)|oubli(?:e|ez|er)|ne (?:tiens|tenez) (?:pas|aucun) compte|ne (?:suis|"
        r"suivez) (?:pas|plus)|fais abstraction|faites abstraction|neglige[rz]?|néglige[rz]?|abandonne[rz]?)",
        r"(?:toutes?|tous|les?|la|tes|vos|mes|de|des|ces|cette|que|l'|d')",
        r"(?:precedent(?:e|es|s)?|précédent(?:e|es|s)?|anterieur(?:e|es|s)?|antérieur(?:e|es|s)?|ci-dessus|"
        r"initiales?|d'origine|originales?|recues|reçues|données|donnees|systeme|système|d'avant)",
        r"(?:instructions?|consignes?|directives?|regles?|règles?|ordres?|commandes?|indications|prompts?|restrictions)",
        tell=r"(?:montre(?:-moi)?|revele(?:-moi)?|révèle(?:-moi)?|affiche(?:-moi)?|dis-moi|donne(?:-moi|z-moi)?|"
        r"imprime|repete|répète|quel(?:le)?s? (?:est|sont)|ecris|écris)",
        prompt=r"(?:(?:prompt|message|instructions?) (?:du |de |d')?(?:systeme|système|initial(?:e|es)?|"
        r"secr[eè]te?s?|cach[eé]e?s?|origine)|mot de passe|cle secrete|clé secrète)",
        yours=r"(?:tes|vos|toutes? (?:les|tes|vos))",
        above=r"(?:(?:tout )?ce qui (?:precede|précède)|tout ce (?:qu'on|que l'on) (?:t'a|vous a) dit)",
    ),
    _Language(  # German
        r"(?:ignorier(?:e|en|t)?(?: sie)?|vergiss|vergesst|vergessen sie|missacht(?:e|en)(?: sie)?|"
        r"beachte(?:n sie)? (?:nicht|keine)|befolge(?:n sie)? (?:nicht|keine)|verwirf|verwerfen sie|"
        r"uberspringe|überspringe)",
        r"(?:alle[ns]?|samtliche|sämtliche|die|den|deine|ihre|meine|von|der|das|dir|jegliche|diese|bitte)",
        r"(?:vorherige[nrs]?|bisherige[nrs]?|obige[nrs]?|fruhere[nrs]?|frühere[nrs]?|vorangegangene[nrs]?|"
        r"vorangehende[nrs]?|vorige[nrs]?|ursprungliche[nrs]?|ursprüngliche[nrs]?|gegebene[nrs]?|zuvor|oben|"
        r"bislang|erhaltene[nrs]?)",
        r"(?:anweisung(?:en)?|instruktion(?:en)?|befehle?|regeln?|vorgaben?|richtlinien?|anleitung(?:en)?|"
        r"systemprompts?|prompts?|direktiven?|auftrage|aufträge|einschrankungen|einschränkungen)",
        tell=r"(?:zeig(?:e|en)?(?: mir| uns)?|nenn(?:e|en)?(?: mir)?|verrate?(?: mir)?|gib(?: mir)?|wiederhole|"
        r"was (?:ist|sind|war|waren)|wie lautet|wie lauten|drucke|offenbare|sag(?:e)?(?: mir)?)",
        prompt=r"(?:system-?prompt|system-?nachricht|system-?anweisung(?:en)?|(?:urspr[uü]nglichen?|geheimen?|"
        r"versteckten?) (?:anweisung(?:en)?|prompt|instruktionen)|passwort|geheime[rns]? schl[uü]ssel)",
        yours=r"(?:deine|ihre|alle(?: deine| ihre)?)",
        above=r"(?:(?:das|alles) (?:obige|vorherige|vorige|bisherige|oben|davor)|alles,? was (?:dir|ihnen|man dir) )",
    ),
    _Language(  # Italian
        r"(?:ignor(?:a|are|ate|i)|dimentic(?:a|are|ate|hi|ati)|trascur(?:a|are)|non (?:seguire|considerare|"
        r"tenere conto)|tralascia|scarta)",
        r"(?:tutt[eio]|le|gli|i|il|la|tue|tuoi|sue|mie|di|delle|degli|che|qualsiasi)",
        r"(?:precedent[ei]|anterior[ei]|sopra|iniziali|originali|ricevut[ei]|dat[ei]|di prima|del sistema|finora)",
        r"(?:istruzion[ei]|indicazion[ei]|ordini|comandi|regole|direttive|prompt|restrizioni|messaggi di sistema)",
        tell=r"(?:mostra(?:mi)?|rivela(?:mi)?|dimmi|stampa|ripeti|dammi|qual e|qual è|quali sono|scrivi)",
        prompt=r"(?:(?:prompt|messaggio|istruzioni) (?:di |del )?(?:sistema|inizial[ei]|segret[eo]|nascost[eo]|"
        r"original[ei])|password|parola d'ordine|chiave segreta)",
        yours=r"(?:tue|tuoi|tutte le (?:tue )?|le tue|i tuoi)",
        above=r"(?:(?:tutto )?(?:quanto sopra|cio che precede|ciò che precede|quello che ti))",
    ),
    _Language(  # Portuguese
        r"(?:ignor(?:e|a|ar|em)|esque(?:ca|ça|ce|cer)(?:-se)?|desconsider(?:e|a|ar)|descart(?:e|a)|"
        r"desobede(?:ca|ça)|nao (?:siga|obedeca)|não (?:siga|obedeça))",
        r"(?:todas?|todos|as?|os?|suas?|tuas?|minhas?|de|das|dos|que|quaisquer|qualquer)",
        r"(?:anterior(?:es|mente)?|previ[ao]s?|prévi[ao]s?|precedentes|acima|iniciais|originais|recebidas|"
        r"dadas|do sistema|ate agora|até agora)",
        r"(?:instruc(?:oes|ao)|instruç(?:ões|ão)|ordens|orientac(?:oes|ao)|orientações|regras|diretrizes|"
        r"diretivas|comandos|prompts?|restric(?:oes|ao)|restrições)",
        tell=r"(?:mostr(?:e|a)(?:-me)?|revel(?:e|a)(?:-me)?|diga(?:-me)?|imprima|repita|de-me|dê-me|qual (?:e|é)|"
        r"quais s[aã]o|escreva|me (?:mostre|diga|d[eê]))",
        prompt=r"(?:(?:prompt|mensagem|instru(?:coes|ções)) (?:do |de )?(?:sistema|inicia(?:l|is)|secret[ao]s?|"
        r"ocult[ao]s?|original|originais)|senha|chave secreta)",
        yours=r"(?:suas|tuas|todas as (?:suas )?|as suas)",
        above=r"(?:(?:tudo )?o (?:acima|que foi dito|anterior)|tudo (?:acima|o que))",
    ),
    _Language(  # Dutch
        r"(?:negeer|vergeet|veronachtzaam|sla over|volg niet)",
        r"(?:alle|de|je|jouw|uw|mijn|van|al|het|die)",
        r"(?:vorige|voorgaande|eerdere|bovenstaande|voorafgaande|oorspronkelijke|initiele|gegeven|hierboven|bestaande)",
        r"(?:instructies?|opdracht(?:en)?|aanwijzing(?:en)?|regels|richtlijnen|prompts?|bevelen|commando's)",
        tell=r"(?:toon|laat zien|onthul|vertel me|geef me|herhaal|wat is|wat zijn)",
        prompt=r"(?:systeem-?prompt|systeem-?bericht|systeem-?instructies|wachtwoord|geheime sleutel)",
        yours=r"(?:je|jouw|uw|al je|al jouw)",
        above=r"(?:(?:het bovenstaande|alles hierboven|al het voorgaande))",
    ),
    _Language(  # Polish
        r"(?:zignoruj|ignoruj|zapomnij(?: o)?|pomin|pomiń|odrzuc|odrzuć|nie (?:stosuj sie do|stosuj się do|przestrzegaj))",
        r"(?:wszystkie|wszystkich|o|swoje|twoje|moje|te|jakiekolwiek)",
        r"(?:poprzedni(?:e|ch)?|wczesniejsz(?:e|ych)|wcześniejsz(?:e|ych)|powyzsz(?:e|ych)|powyższ(?:e|ych)|"
        r"dotychczasow(?:e|ych)|otrzymane)",
        r"(?:instrukcj[eai]|instrukcjach|polece(?:nia|n|ń)|wytyczn(?:e|ych)|zasady|reguly|reguły|komendy|prompty?)",
    ),
    _Language(  # Turkish
        r"(?:yok say|yoksay|unut|gormezden gel|görmezden gel|dikkate alma|goz ardi et|göz ardı et|ihmal et)\w{0,5}",
        r"(?:tum|tüm|butun|bütün|sana|verilen|ve|her|bu)",
        r"(?:onceki|önceki|yukaridaki|yukarıdaki|yukardaki|daha once(?:ki)?|daha önce(?:ki)?|eski|mevcut)",
        r"(?:talimat\w{0,8}|komut\w{0,8}|yonerge\w{0,8}|yönerge\w{0,8}|kural\w{0,8}|emir\w{0,8}|istem\w{0,8})",
        verb_last=True,
    ),
    _Language(  # Indonesian, Malay
        r"(?:abaikan|lupakan|hiraukan|jangan (?:ikuti|hiraukan)|kesampingkan)",
        r"(?:semua|segala|seluruh|yang|anda|kamu)",
        r"(?:sebelumnya|di atas|terdahulu|sebelum ini|tadi|awal|sebelum)",
        r"(?:instruksi|perintah|arahan|petunjuk|aturan|pedoman|prompt)",
    ),
    _Language(  # Filipino
        r"(?:huwag (?:mong )?pansinin|balewalain(?: mo)?|kalimutan(?: mo)?|ipagwalang-bahala|isantabi)",
        r"(?:ang|lahat|ng|mga|iyong|na|mo)",
        r"(?:nakaraan(?:g)?|naunang?|dating|nasa itaas|itaas)",
        r"(?:tagubilin|instruksyon|utos|panuto|direktiba|patakaran)",
    ),
    _Language(  # Vietnamese
        r"(?:bo qua|bỏ qua|phot lo|phớt lờ|quen|quên)",
        r"(?:tat ca|tất cả|moi|mọi|cac|các|nhung|những|hay|hãy|di|đi)",
        r"(?:truoc do|trước đó|truoc day|trước đây|ben tren|bên trên|o tren|ở trên|phia tren|phía trên|truoc|trước)",
        r"(?:huong dan|hướng dẫn|chi dan|chỉ dẫn|chi thi|chỉ thị|lenh|lệnh|quy tac|quy tắc|yeu cau|yêu cầu)",
    ),
)

_OTHER_SCRIPTS = (
    _Language(  # Russian
        r"(?:игнорируй(?:те)?|игнорировать|проигнорируй(?:те)?|проигнорировать|забудь(?:те)?(?: про| о| обо)?|"
        r"отбрось(?:те)?|не (?:обращай(?:те)? внимания на|следуй(?:те)?|выполняй(?:те)?)|пренебреги(?:те)?|"
        r"отмени(?:те)?)",
        r"(?:все|всех|всё|всем|те|твои|свои|ваши|мои|эти|любые|о|про)",
        r"(?:предыдущи[ех]м?|прошлы[ех]|прежни[ех]|вышеуказанны[ех]|предшествующи[ех]|выше|ранее|данные|"
        r"исходны[ех]|первоначальны[ех]|системны[ех]|полученны[ех])",
        r"(?:инструкци[яиюей]+х?|указани[яйею]х?|команды?|правила?|директив[ыу]?|приказ[ыа]?|промпты?|"
        r"установк[иу]|ограничени[яй]|распоряжени[яй])",
        tell=r"(?:покажи(?:те)?|раскрой(?:те)?|выведи(?:те)?|скажи(?:те)?|повтори(?:те)?|назови(?:те)?|"
        r"напиши(?:те)?|каков[аы]?|какой|дай(?:те)?|сообщи(?:те)?)",
        prompt=r"(?:системн(?:ый|ые|ого|ую) (?:промпт|запрос|сообщение|инструкци[июя])а?|(?:начальн|исходн|скрыт|"
        r"секретн)[а-я]{2,3} (?:промпт|инструкци[а-я])|пароль|секретный ключ)",
        yours=r"(?:свои|твои|все(?: свои| твои)?)",
        above=r"(?:(?:всё|все),? (?:что (?:было )?)?(?:выше|до этого|сказанное)|вышесказанное|вышеизложенное|предыдущее)",
    ),
    _Language(  # Ukrainian
        r"(?:ігноруй(?:те)?|проігноруй(?:те)?|забудь(?:те)?(?: про)?|не (?:звертай(?:те)? уваги на|виконуй(?:те)?))",
        r"(?:усі|всі|твої|свої|ваші|ці|про)",
        r"(?:попередн(?:і|іх)|вищезазначені|вище|раніше|минулі|системні)",
        r"(?:інструкці[їюя]|вказівк[иу]|команди|правила|директиви|накази)",
    ),
    _Language(  # Chinese
        r"(?:忽略|无视|無視|忘记|忘記|忘掉|不要理会|不要理會|不要遵守|不要遵循|抛开|拋開|丢弃|跳过|不用管|别管|撤销|覆盖)",
        r"(?:所有|全部|一切|任何|你|您|的|我|给|給|过|過|掉|那些|这些|這些|关于|系统|系統)",
        r"(?:之前|以前|先前|此前|前面|上面|以上|上述|上文|早前|原来|原來|原有|现有|最初|初始|预设)",
        r"(?:指令|指示|说明|說明|命令|规则|規則|提示词?|提示詞|要求|内容|內容|限制|设定|設定|指导|对话|對話)",
        tell=r"(?:显示|顯示|告诉我|告訴我|输出|輸出|打印|重复|重複|透露|泄露|洩露|说出|說出|给我|給我|复述|展示|列出)",
        prompt=r"(?:系统提示词?|系統提示詞?|系统消息|系统指令|初始(?:提示词?|指令)|隐藏指令|密码|密碼|密钥|你的(?:提示词|指令))",
        yours=r"(?:你的|您的|所有|全部|一切)",
        above=r"(?:(?:以上|上述|上面|之前|前面)的?(?:所有|全部|一切)?(?:内容|內容|文字|文本|信息|的话)?(?:，|,|。|并|並|然后|然後))",
    ),
    _Language(  # Japanese
        r"(?:を?(?:すべて|全て)?無視|を?(?:すべて|全て)?忘れ|を?破棄|に従わな|を取り消|をキャンセル)",
        r"(?:の|すべて|全て|あらゆる|に|で|与えられた|受けた|した|された|いた)",
        r"(?:以前|前|上記|これまで|今まで|先ほど|さっき|従来|直前|最初|過去|それまで|既存)",
        r"(?:指示|命令|指令|ルール|規則|プロンプト|指図|インストラクション|内容|設定|制約)",
        verb_last=True,
        yours=r"(?:あなたの|すべての|全ての)",
        above=r"(?:(?:上記|以上|これまで|ここまで)(?:の(?:内容|文章|すべて|全て))?)",
    ),
    _Language(  # Korean
        r"(?:(?:을|를|은|는)? ?(?:모두 |전부 |다 )?(?:무시|잊어|잊고|잊으|따르지|폐기|취소))",
        r"(?:의|모든|전부|모두|에|했던|내린|받은|주어진|한)",
        r"(?:이전|앞선|앞의|위의|위|지금까지|기존|과거|전의|방금|처음)",
        r"(?:지시 ?사항?|지시|명령어?|지침|규칙|프롬프트|안내|설정|제한)",
        verb_last=True,
        yours=r"(?:당신의|너의|모든)",
        above=r"(?:(?:위의?|앞의) ?(?:것|내용|말|모든 것)(?:들)?)",
    ),
    _Language(  # Hindi: object first
        r"(?:को|की|पर)? ?(?:पूरी तरह |सभी )?(?:अनदेखा|अनदेखी|नज़रअंदाज़|नजरअंदाज|नज़रंदाज़|भूल|ध्यान न|उपेक्षा|अवहेलना)",
        r"(?:सभी|सारे|सब|दिए|गए|के|की|का|मेरे|अपने)",
        r"(?:पिछले|पिछली|पहले|पूर्व|उपरोक्त|ऊपर|पुराने)",
        r"(?:निर्देशों|निर्देश|आदेशों|आदेश|नियमों|नियम|अनुदेशों|हिदायतों)",
        verb_last=True,
        yours=r"(?:अपने|अपनी|सभी|सारे)",
        above=r"(?:ऊपर(?: दिए गए| के सब)?|उपरोक्त)",
    ),
    _Language(  # Arabic
        r"(?:تجاهل(?:ي|وا)?|انس(?:ى|َ)?|إنس|لا تتبع|اترك|تغاض عن|ألغ)",
        r"(?:جميع|كل|كافة|أي|هذه|تلك|ال)",
        r"(?:السابقة|السابقه|السابق|أعلاه|الأولى|المذكورة|المسبقة|الأصلية|قبل ذلك)",
        r"(?:التعليمات|تعليماتك|الأوامر|أوامر|القواعد|التوجيهات|الإرشادات|تعليمات|الموجهات)",
        yours=r"(?:جميع|كل|كافة|تعليماتك)",
        above=r"(?:(?:كل )?ما (?:سبق|ورد أعلاه|قبله))",
    ),
    _Language(  # Bengali
        r"(?:উপেক্ষা|অগ্রাহ্য|ভুলে যা|বাদ দি)",
        r"(?:সব|সমস্ত|সকল|তোমার|আপনার|দেওয়া|গুলি|গুলো)",
        r"(?:আগের|পূর্ববর্তী|পূর্বের|উপরের|পূর্ব)",
        r"(?:নির্দেশনা|নির্দেশাবলী|নির্দেশ|নিয়ম|আদেশ)(?:গুলি|গুলো|কে)?",
        verb_last=True,
    ),
    _Language(  # Thai: written without spaces, the instructions first
        r"(?:ละเว้น|เพิกเฉย(?:ต่อ)?|ไม่ต้องสนใจ|ลืม|อย่าสนใจ|มองข้าม|ไม่สนใจ)",
        r"(?:ทั้งหมด|ทุก|ของคุณ|ที่|ใน|อัน)",
        r"(?:ก่อนหน้า(?:นี้)?|ข้างต้น|ด้านบน|ที่ผ่านมา|เดิม)",
        r"(?:คำสั่ง|คำแนะนำ|กฎ|ข้อความ|คำชี้แจง)",
    ),
    _Language(  # Persian
        r"(?:را )?(?:نادیده بگیر|فراموش کن|رعایت نکن)",
        r"(?:تمام|همه|ی|های|کلیه)",
        r"(?:قبلی|پیشین|بالا|گذشته|اولیه)",
        r"(?:دستورالعمل(?:‌| )?(?:ها|های)?|دستور(?:ات|ها|های)?|قوانین|راهنمایی(?:‌| )?(?:ها|های)?)",
        verb_last=True,
    ),
)


def _spaced(language: _Language, views: tuple[str, ...]) -> list[Pattern]:
    """Return the patterns of a language that has spaces between its words."""
    between = rf"(?:{language.between}[ '’]{{1,2}})*"
    aims = [
        rf"{between}{language.earlier} {between}{language.orders}",
        rf"{between}{language.orders} {between}{language.earlier}",
    ]
    if language.yours:
        aims.append(rf"{language.yours} {between}{language.orders}")
    found = _ordered(language, "|".join(aims), " ", between)
    if language.tell:
        found.append((rf"{language.tell} (?:\S+ ){{0,3}}{language.prompt}", 0.6))
    return _patterns(found, views)


def _joined(language: _Language, views: tuple[str, ...]) -> list[Pattern]:
    """Return the patterns of a language that is written without spaces."""
    between = rf"(?:{language.between}| )*"
    aims = [rf"{between}{language.earlier}{between}{language.orders}", rf"{between}{language.orders}{between}{language.earlier}"]
    if language.yours:
        aims.append(rf"{language.yours} ?{between}{language.orders}")
    found = _ordered(language, "|".join(aims), " ?", between)
    if language.tell:
        found.append((rf"{language.tell}{between}{language.prompt}", 0.6))
    return _patterns(found, views)


def _ordered(language: _Language, aims: str, space: str, between: str) -> list[tuple[str, float]]:
    """Return expressions with their scores: verb and object in the language's order, sure ones first."""
    objects = [(f"(?:{aims})", 0.9), (f"{between}{language.orders}", 0.4)]
    if language.above:
        objects.append((language.above, 0.65))
    if language.verb_last:
        return [(f"{aim} ?{between}{language.verbs}", score) for aim, score in objects]
    return [(f"{language.verbs}{space}{aim}", score) for aim, score in objects]


def _patterns(found: list[tuple[str, float]], views: tuple[str, ...]) -> list[Pattern]:
    return [Pattern(rf"(?i)(?:{expression})", "injection", score, 0, views) for expression, score in found]


def _is_joined(language: _Language) -> bool:
    return any(
        "\u3040" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7a3" or "\u0e00" <= character <= "\u0e7f"
        for character in language.orders
    )


PATTERNS = (
    *(pattern for language in _LATIN for pattern in _spaced(language, ("folded", "decoded"))),
    *(
        pattern
        for language in _OTHER_SCRIPTS
        for pattern in (_joined if _is_joined(language) else _spaced)(language, ("canonical", "decoded"))
    ),
)
"""Orders to drop the instructions, and questions for the system prompt, by language."""
