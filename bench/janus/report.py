"""The results of a call, or of measuring alignment, as Markdown."""

from __future__ import annotations

from typing import Any


def call_markdown(result: dict[str, Any]) -> str:
    """Return the table of a call: a row a check."""
    lines = [
        f"# A call of {result['participants']} in Janus",
        "",
        *_circumstances(result),
        f"Material: {result['material']}; clips of {result['clip_s']:g} s, pictures of "
        f"{result['height_px']} px at {result['pictures_per_s']} fps.",
        f"Load average {result['load_before']} before, {result['load_after']} after.",
        "",
        "| what must hold | held | after | what was seen |",
        "|---|---|---|---|",
    ]
    for check in result["checks"]:
        held = "yes" if check["held"] else "**no**"
        lines.append(f"| {check['what']} | {held} | {check['took_s']:.1f} s | {check['detail']} |")
    return "\n".join([*lines, ""])


def alignment_markdown(result: dict[str, Any]) -> str:
    """Return the table of alignment errors: a row a way."""
    lines = [
        "# Sound beside pictures, as received against as captured",
        "",
        *_circumstances(result),
        "A clip numbers its pictures and beeps every second. The page notes when camera and microphone",
        "delivered each (captureTime of requestVideoFrameCallback, timestamp of AudioData). The error is",
        "by how much later the receiver places a beep beside the pictures than it was captured. The",
        "receiver's 25 fps grid tells pictures to within 3.3 ms. Settled is from 10 s on, without what",
        f"follows within 12 s of a stall of the fake microphone. {result['seconds']:g} s a way.",
        "A network with loss has 20 ms of delay; it lies between browser and receiver, or between Janus and",
        "both of them, and then concerns a packet twice.",
        f"Load average {result['load_before']} before, {result['load_after']} after.",
        "",
        "| way | limit | holds | beeps | median | lowest | highest | p95 of size | first 10 s, largest "
        "| after stalls, largest |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for way, figures in result["ways"].items():
        lines.append(
            f"| {way} | {figures['limit_ms']:g} ms | {'yes' if figures['holds'] else '**no**'} "
            f"| {figures['settled']} | {figures['median_ms']:+.1f} ms | {figures['lowest_ms']:+.1f} ms "
            f"| {figures['highest_ms']:+.1f} ms | {figures['p95_size_ms']:.1f} ms "
            f"| {_ms(figures['first_seconds_largest_ms'])} "
            f"| {_ms(figures['after_stalls_largest_ms'])} ({figures['after_stalls']} beeps) |"
        )
    return "\n".join([*lines, ""])


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{value:+.1f} ms"


def _circumstances(result: dict[str, Any]) -> list[str]:
    machine = result["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    programs = ", ".join(f"{name} {version}" for name, version in result["programs"].items())
    return [
        f"`{result['command']}`, {result['date']}.",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {machine['python']}; {packages}; {programs}.",
        "",
    ]
