"""How sure a few answers make one: exact tails of the binomial distribution, and the interval of a share."""

import math
from statistics import NormalDist


def chance_of_so_few(successes: int, requests: int, rate: float) -> float:
    """The probability of ``successes`` or fewer among ``requests`` when each succeeds with ``rate``.

    The lower tail of the binomial distribution, exact, so that it holds for few requests too.
    """
    if rate >= 1:
        return 0.0 if successes < requests else 1.0
    if rate <= 0:
        return 1.0
    log_rate, log_rest = math.log(rate), math.log1p(-rate)
    upper_tail = math.fsum(
        math.exp(
            math.lgamma(requests + 1)
            - math.lgamma(lost + 1)
            - math.lgamma(requests - lost + 1)
            + lost * log_rest
            + (requests - lost) * log_rate
        )
        for lost in range(requests - successes)
    )
    return max(0.0, 1.0 - upper_tail)


def chance_of_so_lopsided(worse: int, better: int) -> float:
    """The probability that an equally good model does ``worse`` or more of the items on which two differ.

    The one-sided sign test (McNemar's, exact): items that both answer alike say nothing. 1 without any.
    """
    return chance_of_so_few(better, worse + better, 0.5) if worse else 1.0


def share_interval(right: int, items: int, confidence: float = 0.95) -> tuple[float, float]:
    """Between which shares the true one lies: Wilson's interval, which holds for shares near 0 and 1 too.

    E. B. Wilson, Journal of the American Statistical Association 22 (1927), p. 209.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = right / items
    middle = (share + z * z / (2 * items)) / (1 + z * z / items)
    half = z / (1 + z * z / items) * math.sqrt(share * (1 - share) / items + (z / (2 * items)) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)
