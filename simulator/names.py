"""The symbols of the simulated market: well-known tickers first, then made-up ones, each once."""

from __future__ import annotations

#: The largest market that can be simulated.
MOST_SYMBOLS = 20_000

#: Well-known tickers with a plausible price, the busiest first.
_KNOWN = """
NVDA 180 AAPL 250 TSLA 350 SPY 640 MSFT 480 AMZN 225 QQQ 580 AMD 165 META 720 GOOGL 200 PLTR 160 AVGO 300 NFLX 890
INTC 24 BAC 47 F 11.6 SOFI 24 IWM 228 BRK.B 490 JPM 295 XOM 112 GOOG 201 WMT 101 KO 70 PFE 25 T 28.5 DIS 117 C 94
CSCO 68 UBER 92 MU 122 COIN 330 BA 229 ORCL 235 CRM 247 V 340 UNH 310 LLY 730 JNJ 170 PG 157 MA 575 HD 395 COST 880
ABBV 200 MRK 83 CVX 155 PEP 147 ADBE 355 TMO 470 LIN 475 ACN 255 MCD 305 WFC 80 QCOM 158 TXN 195 GE 270 IBM 245 CAT
420 AXP 305 MS 145 GS 740 PM 170 NOW 860 ISRG 480 INTU 700 VZ 43 AMGN 290 NEE 75 RTX 155 HON 220 LOW 255 SPGI 560
UNP 225 PGR 245 BLK 880 SYK 380 TJX 135 BSX 104 SCHW 97 ETN 360 LMT 450 DE 510 BMY 47 GILD 112 MDT 93 SBUX 91 CB
272 ADI 235 PLD 107 SO 95 DUK 124 MO 66 CME 276 ICE 181 USB 47 NKE 76 MMM 152 GM 58 PYPL 69 DAL 58 CCL 30 SNAP 8.6
RIVN 12.8 LCID 19.5 MARA 15.6 HOOD 108 GLD 310 SLV 35 TLT 87 XLF 53 XLE 87 BF.B 31 MSTR 340 SMCI 45 ARM 140 PANW
175 SHOP 145 SNOW 195 ROKU 96 DKNG 47 AAL 12.3 VALE 10.2 KMI 27 HPQ 26 CLF 10.8 WBD 12.4
"""
_WORDS = _KNOWN.split()

#: Ticker -> a price it might have had.
KNOWN: dict[str, float] = {name: float(price) for name, price in zip(_WORDS[::2], _WORDS[1::2], strict=True)}

#: Without vowels nothing made up of these letters reads as a word.
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_COMBINATIONS = len(_LETTERS) ** 4
#: Coprime to the number of combinations, so that stepping by it meets each of them once.
_STEP = 61_803


def symbols(count: int) -> list[str]:
    """The first `count` symbols of every simulated market, whatever its seed. Raises ValueError outside 1..20,000."""
    if not 1 <= count <= MOST_SYMBOLS:
        raise ValueError(f"a market has 1 to {MOST_SYMBOLS} symbols, not {count}")
    names = list(KNOWN)[:count]
    return names + [_made_up(i) for i in range(count - len(names))]


def _made_up(index: int) -> str:
    number = (index + 1) * _STEP % _COMBINATIONS
    name = ""
    for _ in range(4):
        number, letter = divmod(number, len(_LETTERS))
        name += _LETTERS[letter]
    return name
