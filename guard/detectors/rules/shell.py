"""Commands that destroy a machine, run what somebody else wrote, wipe traces, or open the door."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.detectors.rules.deletion import Spans, of_rights, of_rm, of_rm_here, of_windows
from guard.detectors.scanning import Pattern

CATEGORY = "code/shell"
VIEWS = ("canonical", "decoded")

_B = r"(?:^|[^\w./-])"
_REST = r"[^\n;&|]{1,300}"
_DISK = r"/dev/(?:[shv]d[a-z]|xvd[a-z]|nvme\d|mmcblk\d|disk\d|rdisk\d|mapper/|md\d|dm-\d|loop\d)"
_SHELL = r"(?:/\S{1,40}/)?(?:env )?(?:ba|z|k|da|c|tc|fi|a)?sh\b"
_RUNS = rf"(?:{_SHELL}|(?:/\S{{1,40}}/)?(?:python[\d.]*|perl|ruby|node|php)(?:\s+-)?(?:\s{{0,3}}[;&|)\"'`\n]|\s{{0,3}}$))"
_AS = r"(?:(?:sudo|doas|nohup|exec|env)(?: -{1,2}[\w=-]+){0,3} )?"
_FETCH = r"(?:curl|wget|fetch|aria2c|lynx)"
_HISTORY = (
    r"(?:\.(?:bash|zsh|sh|python|mysql|psql|node_repl|local/share/fish/fish)_history|\.histfile|\$\{?HISTFILE\}?|"
    r"ConsoleHost_history\.txt)"
)

_DESTROYS = (
    rf"\bdd\b[^\n;|]{{0,200}}\bof=[\"']?{_DISK}",
    rf"\b(?:mkfs(?:\.\w+)?|mke2fs|wipefs|blkdiscard|shred|sgdisk|badblocks|cryptsetup|newfs)\b[^\n;|]{{0,120}}{_DISK}",
    rf"(?:>{{1,2}}|\btee)\s{{0,5}}{_DISK}",
    r">{1,2}\s{0,5}/etc/(?:passwd|shadow|sudoers|fstab|hosts\.allow)\b",
    r"\bmv\s+(?:-\w+\s+)?(?:/\*?|~/?\*?|\$HOME/?\*?|/(?:home|etc|usr|var|bin|boot))\s+/dev/null\b",
    r"\bfind\s+(?:/|~|\$HOME|/(?:etc|home|usr|var|bin|boot|root))/?\s[^\n;|]{0,200}(?:-delete\b|-exec(?:dir)?\s+(?:/bin/)?(?:rm|shred)\b)",
    r"\bshutil\.rmtree\(\s{0,5}(?:r?[\"'](?:/|/(?:bin|boot|etc|home|usr|var|root)/?|~/?|[A-Za-z]:[\\/]{1,2})[\"']|os\.path\.expanduser\(|os\.environ\[|Path\.home\()",
    r"\b(?:rmSync|rmdirSync|rimraf(?:\.sync)?|rm_rf|rm_r|remove_dir_all)\(?\s{0,5}[\"'](?:/|/(?:bin|boot|etc|home|usr|var|root)/?|~/?|[A-Za-z]:[\\/]{1,2})[\"']",
    r"(?i)\bformat(?:\.com)?\s+[cd]:(?:\s{0,5}(?:/[a-z]|[\"'`;&|)]|\n|$))",
    r"(?i)\b(?:Format-Volume|Clear-Disk|Initialize-Disk)\s+-",
    r"(?i)\bvssadmin(?:\.exe)?\s+delete\s+shadows\b|\bwmic\s+shadowcopy\s+delete\b|\bwbadmin\s+delete\s+(?:catalog|systemstatebackup)\b",
    r"(?i)\bbcdedit(?:\.exe)?\s[^\n]{0,60}(?:recoveryenabled\s+no|bootstatuspolicy\s+ignoreallfailures)|\bcipher(?:\.exe)?\s+/w:[a-z]",
    r"(?i)\breg(?:\.exe)?\s+delete\s+[\"']?(?:HKLM|HKEY_LOCAL_MACHINE)\\?[\"']?(?:\\(?:SYSTEM|SOFTWARE|SAM)[\"']?)?\s+/f",
    r"%0\s{0,3}\|\s{0,3}%0",
    r"\bos\.fork\(\)[^\n]{0,10}while\b|while\s+(?:True|1)\s?:\s{0,10}os\.fork\(\)|\bfork\s+while\s+(?:fork|1|true)\b",
)
_RUNS_FETCHED = (
    rf"\b{_FETCH}\s[^\n|]{{1,400}}\|\s{{0,5}}(?:tee\s\S{{1,80}}\s{{0,5}}\|\s{{0,5}})?{_AS}{_RUNS}",
    rf"(?:{_RUNS}|\bsource|(?:^|[\s;&|])\.)\s[^\n]{{0,40}}<\(\s{{0,3}}{_AS}{_FETCH}\s",
    rf"(?:\beval|{_SHELL}\s+-c)\s+[\"'\\]{{0,3}}(?:\$\(|`)\s{{0,3}}{_AS}{_FETCH}\s",
    rf"(?:\bbase64\s+(?:-d|-D|--decode|-di)|\bxxd\s+-r(?:\s+-p)?|\bopenssl\s[^\n|]{{0,60}}-d)\b[^\n|]{{0,80}}\|\s{{0,5}}(?:g?(?:unzip|zcat)\b[^\n|]{{0,20}}\|\s{{0,5}})?{_AS}{_RUNS}",
    r"(?i)\b(?:iex|invoke-expression)\b[^\n]{0,40}(?:new-object\s+(?:system\.)?net\.webclient|downloadstring|\b(?:iwr|irm|curl|wget|invoke-webrequest|invoke-restmethod)\b)",
    r"(?i)(?:\b(?:iwr|irm|invoke-webrequest|invoke-restmethod)\b|downloadstring\()[^\n]{0,200}\|\s{0,5}(?:iex|invoke-expression)\b",
    r"(?i)\bpowershell(?:\.exe)?\s[^\n]{0,100}-e(?:nc(?:odedcommand)?|c)?\s+[A-Za-z0-9+/]{20}",
    r"(?i)\b(?:mshta|regsvr32|rundll32)(?:\.exe)?\s[^\n]{0,60}https?://|\bcertutil(?:\.exe)?\s[^\n]{0,40}-urlcache\b",
)
_WIPES = (
    rf"(?:>{{1,2}}\|?|\b(?:rm|shred|unlink|truncate|tee|cp\s+/dev/null|ln\s+-\w+\s+/dev/null)\b)[^\n;|]{{0,40}}?{_HISTORY}",
    r"(?:^|[\s;&|`(])history\s+-(?:c|cw|wc|d\s{0,2}\d)\b",
    r"\bunset\s+HIST(?:FILE|SIZE|FILESIZE)\b|\bHIST(?:FILE=/dev/null|(?:FILE)?SIZE=0\b)|\bset\s+\+o\s+history\b",
    r"(?i)\bwevtutil(?:\.exe)?\s+(?:cl|clear-log)\s|\bClear-EventLog\s|\bClear-History\b|\bRemove-Item\s[^\n]{0,60}HistorySavePath",
    r">\s{0,3}/var/log/(?:auth\.log|syslog|secure|wtmp|btmp|lastlog|messages)\b|\bjournalctl\s+--vacuum-(?:time=1s|size=1[bkK]?\b)",
)
_OPENS = (
    r"/dev/(?:tcp|udp)/[\w.${}-]{1,100}/[\w${}]{1,12}",
    rf"{_B}(?:nc|ncat|netcat|nc\.traditional)(?:\.exe)?\s[^\n;]{{0,120}}(?:-\w{{0,5}}[ec]\w?|--(?:sh-)?exec|-c)\s+[\"']?(?:{_SHELL}|cmd|powershell)",
    r"\bmkfifo\s[^\n]{1,200}\b(?:nc|ncat|netcat|telnet|openssl s_client)\s",
    rf"\btelnet\s[^\n|]{{1,80}}\|\s{{0,3}}{_SHELL}\s{{0,3}}\|",
    r"\bsocat\s[^\n]{0,150}(?i:exec|system):[\"']?[^\n]{0,40}sh\b",
    r"\bsocket\b[^\n]{0,400}\bconnect\b[^\n]{0,300}(?:\bdup2\b|\bsubprocess\b|\bpty\.spawn\b|/bin/(?:ba)?sh)",
    r"(?s)\bsocket\.socket\(.{0,300}\.connect\(.{0,200}\bdup2\(",
    r"(?s)\bfsockopen\(.{1,120}(?:exec|shell_exec|system|passthru|popen|proc_open)\(",
    r"\buse Socket;[^\n]{0,300}exec[ ({]{1,3}[\"']/bin/(?:ba)?sh",
    r"\bTCPSocket\.(?:new|open)\([^\n]{1,200}(?:exec|popen|/bin/sh|\bsystem\b)",
    r"/inet/(?:tcp|udp)/\d{1,5}/[\w.]{1,80}/\d{1,5}",
    r"(?is)\bNet\.Sockets\.TCPClient\(.{1,300}\b(?:GetStream|iex|Invoke-Expression)\b",
    r"\b(?:0<&\d{1,3}-?|exec\s+\d{1,3}<>\s?/dev/tcp)",
)

_NAME = r"[\w:.@-]{1,20}"
_S = r"\s{0,3}"
_BOMB = rf"(?:^|[^\w:.@-])({_NAME}{_S}\({_S}\){_S}\{{\s{{0,5}}{_NAME}{_S}\|{_S}{_NAME}{_S}&{_S};?{_S}\}}{_S};?{_S}{_NAME})"
_FUNCTION = re.compile(r"([\w:.@-]{1,20})\s*(?:\(\s*\)\s*\{|\{)\s*([^\s|]+)\s*\|\s*([^\s&]+)\s*&\s*;?\s*\}\s*;?\s*([\w:.@-]+)")


def _bomb(text: str) -> Spans:
    match = _FUNCTION.search(text)
    return [match.span()] if match and len(set(match.groups())) == 1 else []


def _patterns() -> Iterator[Pattern]:
    yield Pattern(
        rf"(?:^|[^\w.-])([\\\"']{{0,2}}rm[\"']?(?:\s|\$\{{?IFS){_REST})", CATEGORY, 0.95, group=1, views=VIEWS, accept=of_rm
    )
    yield Pattern(
        rf"(?:^|[^\w.-])([\\\"']{{0,2}}rm[\"']?(?:\s|\$\{{?IFS){_REST})", CATEGORY, 0.6, group=1, views=VIEWS, accept=of_rm_here
    )
    yield Pattern(rf"\b(?:chmod|chown|chgrp)\s{_REST}", CATEGORY, 0.9, views=VIEWS, accept=of_rights)
    yield Pattern(rf"(?i)\b(?:remove-item|ri|rm|del|erase|rd|rmdir)\s{_REST}", CATEGORY, 0.9, views=VIEWS, accept=of_windows)
    yield Pattern(_BOMB, CATEGORY, 0.95, group=1, views=VIEWS, accept=_bomb)
    for score, expressions in ((0.9, _DESTROYS), (0.7, _RUNS_FETCHED), (0.8, _WIPES), (0.9, _OPENS)):
        for expression in expressions:
            yield Pattern(expression, CATEGORY, score, views=VIEWS)


PATTERNS = tuple(_patterns())
