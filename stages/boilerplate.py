"""What a document says about itself and not about its subject: licences, badges, navigation."""

from __future__ import annotations

import re

SECTIONS = re.compile(
    r"^\W*(licen[cs]e|licensing|copyright|contribut(ing|ors?|ions?)|how to contribute|acknowledge?ments?|"
    r"credits|"
    r"thanks|authors?|maintainers?|sponsors?|backers|donat(e|ions?)|support( us)?|code of conduct|"
    r"security policy|"
    r"table of contents|contents|toc|change ?log|release notes|badges|see also|further reading|external "
    r"links|"
    r"references|bibliography|related projects|community|citing|citation|navigation|feedback|index)\W*$",
    re.IGNORECASE,
)
LINES = re.compile(
    r"all rights reserved|^(copyright )?(©|\(c\))|^copyright (\d|c \d)|licensed under|released under the "
    r".{0,40}licen[cs]e|"
    r"^(back to top|edit this page|skip to|subscribe|sign up|share this|cookie|click here|read more)|"
    r"^last (updated|modified)|pull requests? (are )?welcome|^\[!\[|privacy policy|terms of (use|service)|"
    r"permission is granted to|without warranty|^isbn\b|(\. ?){5,}|^spdx-|star us on|issue tracker|mailing list",
    re.IGNORECASE,
)


def is_boilerplate_section(heading: str) -> bool:
    """Whether a heading opens a part that no video is about."""
    return bool(SECTIONS.match(re.sub(r"^[\d.\s]+", "", heading)))


def is_boilerplate_text(text: str) -> bool:
    """Whether a paragraph is navigation, a notice, or has no words at all."""
    letters = sum(character.isalpha() for character in text)
    return letters < 2 or bool(LINES.search(text.strip()))
