"""Cells a second of the fit matrix, and the ratio to a plain loop that calls the same formulas cell by cell.

`python -m benchmarks.fit_matrix [--variants N] [--profiles N] [--processes N] [--loop-cells N] [--json F]`.
The catalogue is synthetic: decoders, mixtures of experts, latent and sliding attention, of many sizes.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from modelscan_catalog.fit import formulas
from modelscan_catalog.fit.architecture import Architecture
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.matrix import partition_file, write_matrix
from modelscan_catalog.fit.matrix_cells import CONTEXTS, card_cells
from modelscan_catalog.fit.matrix_terms import COUNTS, KV_DTYPES, FitVariant, MatrixTerms, build_terms
from modelscan_catalog.fit.profiles import GpuProfile, load_profiles
from modelscan_catalog.fit.quantization import scheme_of
from modelscan_catalog.fit.speed import SpeedTerms, decode_tokens_per_s, hardware, speed_constants

FORMATS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"quant_method": "fp8", "weight_block_size": [128, 128]},
    {"quant_method": "awq", "bits": 4, "group_size": 128},
    {"quant_method": "gptq", "bits": 4, "group_size": 128},
)


def _config(index: int) -> dict[str, Any]:
    """A plausible decoder: the family by `index`, its size by the rest."""
    family, size = index % 4, index // 4
    hidden = 1024 * (1 + size % 8)
    layers = 16 + 4 * (size % 12)
    base: dict[str, Any] = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": 256 * (8 + size % 40),
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 128,
        "num_key_value_heads": max(1, hidden // 1024),
        "head_dim": 128,
        "vocab_size": 32000 + 1024 * (size % 100),
        "max_position_embeddings": (8192, 32768, 40960, 131072)[size % 4],
        "torch_dtype": "bfloat16",
    }
    if family == 1:
        base |= {"model_type": "qwen3_moe", "architectures": ["Qwen3MoeForCausalLM"], "num_experts": 64}
        base |= {"num_experts_per_tok": 8, "moe_intermediate_size": 768}
    elif family == 2:
        base |= {"model_type": "gemma3_text", "architectures": ["Gemma3ForCausalLM"], "sliding_window": 1024}
    elif family == 3:
        base |= {"model_type": "deepseek_v3", "architectures": ["DeepseekV3ForCausalLM"], "kv_lora_rank": 512}
        base |= {"q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128}
        base |= {"n_routed_experts": 64, "n_shared_experts": 1, "num_experts_per_tok": 6}
        base |= {"moe_intermediate_size": 1024, "first_k_dense_replace": 1, "moe_layer_freq": 1}
    return base


def synthetic_catalogue(count: int) -> list[FitVariant]:
    """`count` variants, no two alike in size and format together."""
    variants = []
    for index in range(count):
        config = _config(index)
        quantization = FORMATS[(index // 16) % len(FORMATS)]
        if quantization is not None:
            config["quantization_config"] = quantization
        architecture = parse_architecture(config)
        assert isinstance(architecture, Architecture)
        variants.append(
            FitVariant(
                variant_id=f"lab/model-{index:05d}",
                model_id=f"lab/model-{index:05d}",
                repo=f"lab/model-{index:05d}",
                architecture=architecture,
                scheme=scheme_of(config),
                declared_context=config["max_position_embeddings"],
            )
        )
    return variants


def plain_loop(terms: MatrixTerms, profile: GpuProfile, cells: int) -> float:
    """Seconds to compute `cells` cells one after the other with the same formulas, without Arrow or files."""
    card = card_cells(profile, terms)
    constants = speed_constants()
    names = list(formulas.VariantTerms.__dataclass_fields__)
    speed_names = list(SpeedTerms.__dataclass_fields__)
    contexts = (*CONTEXTS, None)
    start = time.perf_counter()
    for number in range(cells):
        variant, rest = divmod(number, len(COUNTS) * len(KV_DTYPES) * len(contexts))
        variant %= len(terms.variant_ids)
        count, rest = divmod(rest, len(KV_DTYPES) * len(contexts))
        dtype, place = divmod(rest, len(contexts))
        values: dict[str, Any] = {}
        for name in names:
            column = getattr(terms.memory, name)
            values[name] = (
                column[:, variant, count, dtype, 0]
                if name.startswith("kind_")
                else float(column[variant, count, dtype, 0])
            )
        one = formulas.VariantTerms(**values)
        speed = SpeedTerms(*(float(getattr(terms.speed, name)[variant, 0, 0, 0]) for name in speed_names))
        context = contexts[place]
        tokens = float(terms.declared_context[variant]) if context is None else float(context)
        utilization = float(card.utilization[variant, 0, 0, 0])
        batch = float(card.batched_tokens[variant, 0, 0, 0])
        sequences = float(card.max_sequences[variant, 0, 0, 0])
        pool = formulas.pool_gib(one, card.total_gib, utilization, batch, sequences)
        low, _ = formulas.pool_band_gib(one, card.total_gib, utilization, batch, sequences)
        required = formulas.required_gib(one, tokens, 1.0, batch, sequences)
        formulas.verdict_codes(required, card.total_gib * utilization, card.edge, pool - low)
        formulas.capacity_requests(one, pool, tokens, batch)
        formulas.max_context_tokens(one, pool, 1.0, batch)
        machine = hardware(
            profile,
            float(card.tflops[variant, 0, 0, 0]),
            float(terms.tp[variant, count]),
            float(terms.pp[variant, count]),
        )
        kv_gib = one.kv_bytes_per_token * tokens / formulas.GIB
        for end in ("low", "high"):
            decode_tokens_per_s(speed, machine, one.weights_gib, kv_gib, 1.0, constants[end])
    return time.perf_counter() - start


def main() -> None:
    """Run, print a table and optionally write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variants", type=int, default=2000)
    parser.add_argument("--profiles", type=int, default=24)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--loop-cells", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    begun = time.perf_counter()
    terms = build_terms(synthetic_catalogue(options.variants))
    terms_s = time.perf_counter() - begun
    every = list(load_profiles().values())
    chosen = [every[place] for place in np.linspace(0, len(every) - 1, options.profiles).astype(int)]
    per_profile = options.variants * len(COUNTS) * len(KV_DTYPES) * (len(CONTEXTS) + 1)
    cells = per_profile * len(chosen)

    partition_file(terms, chosen[0])
    loop_s = plain_loop(terms, chosen[0], options.loop_cells)
    with TemporaryDirectory() as folder:
        begun, cpu = time.perf_counter(), time.process_time()
        write_matrix(terms, chosen, Path(folder) / "one")
        one_s, one_cpu_s = time.perf_counter() - begun, time.process_time() - cpu
        with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
            list(pool.map(abs, range(options.processes)))
            begun = time.perf_counter()
            shared = build_terms(synthetic_catalogue(options.variants), executor=pool)
            shared_s = time.perf_counter() - begun
            write_matrix(terms, chosen[: 4 * options.processes], Path(folder) / "warm", pool)
            begun = time.perf_counter()
            write_matrix(shared, chosen, Path(folder) / "many", pool)
            many_s = time.perf_counter() - begun
        same = all(
            path.read_bytes() == (Path(folder) / "many" / path.name).read_bytes()
            for path in (Path(folder) / "one").iterdir()
        )
    peak = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    )
    result = {
        "cells": cells,
        "variants": options.variants,
        "profiles": len(chosen),
        "processes": options.processes,
        "cells_per_cpu_s": round(cells / one_cpu_s),
        "cells_per_s_one_process": round(cells / one_s),
        "cells_per_s_processes": round(cells / many_s),
        "cells_per_s_plain_loop": round(options.loop_cells / loop_s),
        "ratio_one_process": round(cells / one_s / (options.loop_cells / loop_s), 1),
        "ratio_processes": round(cells / many_s / (options.loop_cells / loop_s), 1),
        "terms_ms_per_variant": round(terms_s / options.variants * 1e3, 2),
        "terms_ms_per_variant_processes": round(shared_s / options.variants * 1e3, 2),
        "peak_memory_mib": round(peak / 1024),
        "same_bytes": same,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    print(
        f"{cells:,} cells: {options.variants} variants x {len(chosen)} GPU profiles x 32, written as Parquet"
    )
    for name, rate, ratio in (
        ("plain loop of the formulas", result["cells_per_s_plain_loop"], 1),
        ("columns, one process", result["cells_per_s_one_process"], result["ratio_one_process"]),
        (
            f"columns, {options.processes} processes",
            result["cells_per_s_processes"],
            result["ratio_processes"],
        ),
    ):
        print(f"  {name:<28} {rate:>12,} cells/s  x {ratio}")
    print(
        f"  one process makes {result['cells_per_cpu_s']:,} cells a second of its own processor time\n"
        f"  terms, once for all cards: {result['terms_ms_per_variant']} ms a variant, "
        f"{result['terms_ms_per_variant_processes']} with {options.processes} processes; "
        f"peak memory {result['peak_memory_mib']} MiB; same bytes: {result['same_bytes']}"
    )
    print(json.dumps(result, sort_keys=True))
    if options.json:
        options.json.write_text(json.dumps(result, sort_keys=True, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
