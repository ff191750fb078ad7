"""How the signs of formulas are spelt in LaTeX. A new sign is a new row.

Knows: characters and their names. Does not know: places, fonts.
"""

from __future__ import annotations

_GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho"
_GREEK_REST = "sigma tau upsilon phi chi psi omega"
_CAPITALS = {
    "Γ": "Gamma",
    "Δ": "Delta",
    "Θ": "Theta",
    "Λ": "Lambda",
    "Ξ": "Xi",
    "Π": "Pi",
    "Σ": "Sigma",
    "Υ": "Upsilon",
    "Φ": "Phi",
    "Ψ": "Psi",
    "Ω": "Omega",
}
_NAMES = {
    **dict(zip("αβγδεζηθικλμνξοπρ", _GREEK.split(), strict=True)),
    **dict(zip("στυφχψω", _GREEK_REST.split(), strict=True)),
    **_CAPITALS,
    "ϵ": "epsilon",
    "ϕ": "phi",
    "φ": "varphi",
    "ϑ": "vartheta",
    "ϱ": "varrho",
    "ς": "varsigma",
    "ϖ": "varpi",
    "µ": "mu",
    "∆": "Delta",
    "±": "pm",
    "∓": "mp",
    "×": "times",
    "÷": "div",
    "·": "cdot",
    "⋅": "cdot",
    "∗": "ast",
    "⋆": "star",
    "∘": "circ",
    "◦": "circ",
    "⊕": "oplus",
    "⊖": "ominus",
    "⊗": "otimes",
    "⊙": "odot",
    "†": "dagger",
    "‡": "ddagger",
    "∧": "wedge",
    "∨": "vee",
    "¬": "neg",
    "∩": "cap",
    "∪": "cup",
    "≤": "leq",
    "≥": "geq",
    "⩽": "leq",
    "⩾": "geq",
    "≪": "ll",
    "≫": "gg",
    "≲": "lesssim",
    "≳": "gtrsim",
    "≠": "neq",
    "≡": "equiv",
    "≈": "approx",
    "∼": "sim",
    "≃": "simeq",
    "≅": "cong",
    "∝": "propto",
    "≜": "triangleq",
    "≺": "prec",
    "≻": "succ",
    "⊥": "perp",
    "∥": "parallel",
    "∣": "mid",
    "∈": "in",
    "∋": "ni",
    "∉": "notin",
    "⊂": "subset",
    "⊃": "supset",
    "⊆": "subseteq",
    "⊇": "supseteq",
    "∅": "emptyset",
    "∖": "setminus",
    "∀": "forall",
    "∃": "exists",
    "∞": "infty",
    "∂": "partial",
    "∇": "nabla",
    "ℏ": "hbar",
    "ℓ": "ell",
    "ℜ": "Re",
    "ℑ": "Im",
    "ℵ": "aleph",
    "→": "rightarrow",
    "←": "leftarrow",
    "↔": "leftrightarrow",
    "⇒": "Rightarrow",
    "⇐": "Leftarrow",
    "⇔": "Leftrightarrow",
    "↦": "mapsto",
    "↑": "uparrow",
    "↓": "downarrow",
    "⟨": "langle",
    "⟩": "rangle",
    "〈": "langle",
    "〉": "rangle",
    "⌊": "lfloor",
    "⌋": "rfloor",
    "⌈": "lceil",
    "⌉": "rceil",
    "‖": "|",
    "…": "ldots",
    "⋯": "cdots",
    "⋮": "vdots",
    "⋱": "ddots",
    "⊤": "top",
    "∴": "therefore",
    "°": "circ",
    "√": "surd",
}

SIGNS = {
    **{sign: "\\" + name for sign, name in _NAMES.items()},
    "−": "-",
    "–": "-",
    "′": "'",
    "″": "''",
    "∶": ":",
    "ı": r"\imath",
    "ȷ": r"\jmath",
}
"""Signs, each with its token."""

BIG = {
    "∑": r"\sum",
    "∏": r"\prod",
    "∐": r"\coprod",
    "∫": r"\int",
    "∬": r"\iint",
    "∭": r"\iiint",
    "∮": r"\oint",
    "⋃": r"\bigcup",
    "⋂": r"\bigcap",
    "⨁": r"\bigoplus",
    "⨂": r"\bigotimes",
}
"""Signs with limits above and below them."""

ACCENTS = {
    "ˆ": r"\hat",
    "ˇ": r"\check",
    "˜": r"\tilde",
    "¯": r"\bar",
    "˙": r"\dot",
    "¨": r"\ddot",
    "´": r"\acute",
    "`": r"\grave",
    "˘": r"\breve",
    "⃗": r"\vec",
    "\u0302": r"\widehat",
    "\u0303": r"\widetilde",
    "\u0304": r"\bar",
    "\u0307": r"\dot",
    "\u030c": r"\check",
}
"""Signs over a letter."""

PRIME = r"\prime"
"""How a raised apostrophe is spelt."""

_NAMED = (
    "arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf ker lg lim liminf limsup ln log max "
    "min Pr sec sin sinh sup tan tanh"
)
FUNCTIONS = {
    **{name: "\\" + name for name in _NAMED.split()},
    "argmax": r"\arg \max",
    "argmin": r"\arg \min",
}
"""Names that are set upright."""

LIMITED = frozenset("lim liminf limsup max min sup inf det gcd Pr argmax argmin".split())
"""Names that have something written right under them."""
