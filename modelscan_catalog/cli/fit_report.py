"""The answer of ``modelscan fit`` for a person: verdict, memory bar, terms, capacity, what else runs."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from modelscan_catalog.fit.profiles import GpuProfile

_COLOURS = {"fits": "green", "tight": "yellow", "offload_only": "yellow", "unknown": "magenta"}
_WORDS = {
    "fits": "fits",
    "tight": "tight: within the error of the estimate",
    "offload_only": "runs only with layers in system memory",
    "does_not_fit": "does not fit",
    "unsupported": "unsupported",
    "unknown": "unknown",
}
_LABELS = {
    "weights": "weights",
    "activation": "activation peak",
    "graphs": "CUDA graphs",
    "non_torch": "non-torch",
    "platform": "platform",
    "kv_cache": "KV cache",
}
_OVERHEAD = ("activation", "graphs", "non_torch", "platform")
_LABEL_WIDTH = 18
_MOST_OFFERS = 3
_MOST_ALTERNATIVES = 8


def report_lines(
    answer: Mapping[str, Any], profile: GpuProfile, width: int, remarks: Sequence[str] = ()
) -> Iterator[str]:
    """The lines of an answer (``fit.answer.answer_document``), at most ``width`` columns wide."""
    colour = _COLOURS.get(answer["verdict"], "red")
    subject = answer.get("variant", answer["model"])
    yield from _wrapped(
        f"{subject} on {answer['gpu_count']} x {profile.name}:",
        _WORDS[answer["verdict"]],
        width,
        colour,
    )
    for remark in remarks:
        yield from textwrap.wrap(remark, width)
    if "kv_cache_gib" in answer:
        yield ""
        yield from _bar(answer, width)
        yield ""
        yield from _terms(answer, width)
    yield ""
    for label, text in _facts(answer, profile):
        yield from textwrap.wrap(
            text,
            width,
            initial_indent=f"{label:<{_LABEL_WIDTH}}",
            subsequent_indent=" " * _LABEL_WIDTH,
            break_on_hyphens=False,
            break_long_words=False,
        )
    reasons = answer.get("reasons", ())
    told = answer["verdict"] in ("fits", "tight")  # the table above has the first reason's sum
    yield from _listed("why", reasons[1:] if told else reasons, width)
    unread = [f"{name}: {why}" for name, why in answer["unread"].items()]
    yield from _listed("not known", unread, width)
    instead = [one["text"] for one in answer["alternatives"]][:_MOST_ALTERNATIVES]
    yield from _listed("what would run instead", instead, width)


def _wrapped(text: str, verdict: str, width: int, colour: str) -> Iterator[str]:
    styled = click.style(verdict, fg=colour, bold=True)
    if len(text) + 1 + len(verdict) <= width:
        yield f"{click.style(text, bold=True)} {styled}"
    else:
        yield from (click.style(line, bold=True) for line in textwrap.wrap(text, width))
        yield f"  {styled}"


def _bar(answer: Mapping[str, Any], width: int) -> Iterator[str]:
    """Weights, overhead and KV cache against the budget and the card, or the need where that is more."""
    overhead = sum(answer.get(f"{name}_gib", 0.0) for name in _OVERHEAD)
    need, budget, card = answer["required_gib"], answer["budget_gib"], answer["card_gib"]
    whole = max(need, card)
    cells = width - 2
    parts = (
        ("weights", answer["weights_gib"], "█", "blue"),
        ("overhead", overhead, "▓", "yellow"),
        ("KV cache", answer["kv_cache_gib"], "▒", "cyan"),
    )
    drawn, total = [], 0.0
    for _, size, sign, colour in parts:
        start = round(total / whole * cells)
        total += max(size, 0.0)
        drawn += [(sign, colour)] * (round(total / whole * cells) - start)
    drawn += [("·", "white")] * (cells - len(drawn))
    mark = min(round(budget / whole * cells), cells - 1)
    drawn[mark] = ("|", "red" if need > budget else "green")
    yield "[" + "".join(click.style(sign, fg=colour) for sign, colour in drawn[:cells]) + "]"
    key = [f"{click.style(sign, fg=colour)} {name} {size:.2f}" for name, size, sign, colour in parts]
    free = f"· free {budget - need:.2f}" if need <= budget else f"{need - budget:.2f} missing"
    plain = [f"x {name} {size:.2f}" for name, size, _, _ in parts] + [free]
    edge = f"| budget {budget:.2f} of {card:.2f} GiB"
    line = "  ".join([*key, free, edge])
    if len("  ".join([*plain, edge])) <= width:
        yield line
    else:
        yield "  ".join([*key, free])
        yield edge


def _terms(answer: Mapping[str, Any], width: int) -> Iterator[str]:
    """A row a term: GiB a GPU and how it comes about."""
    rows = [
        (label, answer[f"{name}_gib"], answer["formulas"][f"{name}_gib"])
        for name, label in _LABELS.items()
        if abs(answer.get(f"{name}_gib", 0.0)) >= 0.005
    ]
    low, high = answer["bands"]["required_gib"]
    rows.append(("needed", answer["required_gib"], f"90 % band {low:.2f} to {high:.2f}"))
    share = answer["gpu_memory_utilization"]
    basis = "as its driver reports" if answer["card_gib_basis"] == "driver" else "estimated of the card"
    rows.append(("budget", answer["budget_gib"], f"{answer['card_gib']:.2f} GiB {basis} x {share:g}"))
    yield click.style(f"{'GiB per GPU':<{_LABEL_WIDTH}}{'':>9}  how", dim=True)
    for label, size, formula in rows:
        text = textwrap.shorten(formula, width - _LABEL_WIDTH - 11, placeholder=" ...")
        yield f"{label:<{_LABEL_WIDTH}}{size:9.2f}  {text}"


def _facts(answer: Mapping[str, Any], profile: GpuProfile) -> Iterator[tuple[str, str]]:
    if "variant" not in answer:
        return
    yield "checkpoint", f"{answer['variant']}, {_storage(answer)}"
    release = f" {answer['engine_version']}" if answer["engine_version"] else ""
    split = f"TP {answer['tp']} x PP {answer['pp']}, KV cache {answer['kv_cache_dtype']}"
    yield "engine", f"{answer['engine']}{release}, {split}, goal {answer['goal']}"
    if answer["context"] is not None and answer["max_context"] is not None:
        declared = answer["declared_context"]
        of = f" of {declared:,} declared" if declared else ""
        many = answer["concurrency"]
        yield "planned for", f"{many} {_requests(many)} of {answer['context']:,} tokens{of}"
        if not answer["max_context"]:
            yield "longest context", "none: nothing is left for the KV cache"
            return
        yield "longest context", f"{answer['max_context']:,} tokens with {many} {_requests(many)}"
        yield "most requests", f"{answer['max_concurrency']:,.2f} at once of {answer['context']:,} tokens"
    yield from _speed(answer)
    if answer["flags"]:
        yield "flags", " ".join(answer["flags"])
    if answer["verdict"] in ("fits", "tight"):
        yield "cost", _cost(answer, profile)


def _storage(answer: Mapping[str, Any]) -> str:
    quantization, support = answer["quantization"], answer["support"].replace("_", " ")
    if quantization is None:
        return "storage unknown"
    return f"{'unquantized' if quantization == 'none' else quantization}, {support}"


def _requests(count: int) -> str:
    return "request" if count == 1 else "requests"


def _speed(answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    alone, full, first = answer["decode_tok_s"], answer["throughput_tok_s"], answer["ttft_s"]
    if alone is not None:
        text = f"{_range(alone)} tokens/s for one request"
        if full is not None and full["point"] > alone["point"] * 1.05:
            text += f", {_range(full)} for all at once"
        if first is not None:
            text += f"; first token after {_range(first)} s at full context"
        basis = str(alone["basis"])
        yield "speed", f"{text} ({basis if basis.startswith('measured') else f'{basis}, estimated'})"
    elif answer["verdict"] in ("fits", "tight"):
        yield "speed", "unknown: the profile lacks the card's bandwidth or arithmetic rate"


def _range(band: Mapping[str, Any]) -> str:
    low, high = band["low"], band["high"]
    if high >= 10:
        return f"{low:,.0f} to {high:,.0f}"
    return f"{low:.2g} to {high:.2g}"


def _cost(answer: Mapping[str, Any], profile: GpuProfile) -> str:
    cost = answer["cost"]
    if cost is None:
        price = profile.price_usd_per_hour
        return "price of the card unknown" if price is None else "unknown: the speed is not known"
    band, ratio = cost["usd_per_mtok"], cost["input_tokens_per_output_token"]
    source = str(cost["price_source"]).replace("_", " ")
    text = (
        f"${band['low']:,.2f} to ${band['high']:,.2f} per million output tokens, each with {ratio:g} "
        f"input tokens, with all requests at once (${cost['usd_per_hour']:,.2f} an hour, {source})"
    )
    paid = [one for one in cost["offers"] if one["break_even_load"] is not None]
    shown = "; ".join(_offer(one) for one in paid[:_MOST_OFFERS])
    return f"{text}. Sold for {shown}" if shown else text


def _offer(offer: Mapping[str, Any]) -> str:
    load = offer["break_even_load"]["point"]
    share = f"{load:.0%}" if load >= 0.01 else "1%"
    when = f"break-even at {share} load" if load < 1 else "cheaper at any load"
    return f"${offer['usd_per_mtok']:,.2f} by {offer['seller']} ({when})"


def _listed(title: str, lines: Sequence[str], width: int) -> Iterator[str]:
    if not lines:
        return
    yield ""
    yield click.style(title, bold=True)
    for line in lines:
        yield from textwrap.wrap(
            line,
            width,
            initial_indent="  - ",
            subsequent_indent="    ",
            break_on_hyphens=False,
            break_long_words=False,
        )
