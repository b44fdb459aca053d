"""What a reader needs beside the findings: what made them, how to check them, and what they cannot say."""

from __future__ import annotations

from clients.report.markup import bullets, table, text
from clients.report.subject import Origin, Report, Subject
from clients.wording import is_baseline
from realtime.evidence.record import EngineInfo

MODEL_CARD = "engines/checkpoints/compact/MODEL_CARD.md"


def not_kept(subject: Subject) -> str:
    """Say what is missing here, and how to keep it next time."""
    return bullets(text(missing) for missing in subject.not_kept)


def origin(made: Origin) -> str:
    """Say which program, settings and models made the scores."""
    head = ("<th>Part</th>", "<th>Engine</th>", "<th>SHA-256 of its model</th>", "<th>Note</th>")
    rows = (
        f'<td>{text(role)}</td><td class="word">{text(engine.id)}</td>'
        f'<td class="hash">{_model_hash(engine)}</td>'
        f"<td>{'baseline encoder: untrained' if is_baseline(engine.id) else text(_runs_on(engine))}</td>"
        for role, engine in made.engines.items()
    )
    settings = made.config_sha256 or "not kept"
    facts = (
        f'<dl class="facts"><div><dt>Program</dt><dd>{text(made.program or "not kept")}</dd></div>'
        f'<div><dt>Settings, SHA-256</dt><dd class="hash">{text(settings)}</dd></div>'
        f"<div><dt>Model card</dt><dd>{MODEL_CARD}, in the program: what lips and voice were trained on, how "
        "accurate they are, where they fail</dd></div></dl>"
    )
    return table(head, rows, css="stacked") + facts


def checking(subject: Subject, report: Report) -> str:
    """Say what verification found, and how to repeat it."""
    check = report.check
    if check is None:
        return _checking_without_evidence(subject, report)
    found = sum(1 for bundle in subject.bundles if not bundle.faults)
    lead = (
        f"<p>When this report was made, {found} of {len(subject.bundles)} bundles of evidence were unchanged "
        "and their scores followed from the embeddings in them.</p>"
        if subject.bundles
        else "<p>The folder holds no evidence here: it is written when a state changes.</p>"
    )
    faults = bullets(
        f'<span class="bad">{text(bundle.name)}: {text(fault)}</span>'
        for bundle in subject.bundles
        for fault in bundle.faults
    )
    hashes = table(
        ("<th>Bundle</th>", "<th>SHA-256 of its manifest</th>"),
        (
            f'<td class="word">{text(bundle.name)}</td><td class="hash">{text(bundle.sha256 or "none")}</td>'
            for bundle in subject.bundles
        ),
        css="stacked",
    )
    return (
        f"{lead}{faults}<p>To repeat that:</p>"
        f"<pre>seamwatch evidence verify {text(check.folder)} --head {text(check.head)}</pre>"
        "<p>The head stands for the whole folder. It proves that nothing was changed only where it is "
        f"compared with one that was noted elsewhere, by somebody else.</p>{hashes}"
    )


def _checking_without_evidence(subject: Subject, report: Report) -> str:
    if report.kind == "file":
        return (
            "<p>Scan the file again: the same program with the same settings and models gives the same "
            "scores. To have something that a colleague can check without the file:</p>"
            "<pre>seamwatch scan FILE --keep-evidence DIR\nseamwatch evidence verify DIR</pre>"
        )
    return (
        "<p>This cannot be checked: of the call only what the alert store says is known, and a store can be "
        "written anew. With evidence (see above) every score can be recomputed.</p>"
    )


def limits(report: Report) -> str:
    """Say how to read a report, and what it cannot see."""
    said = [
        "The consistency score is the sum of its two parts, face with itself and lips with voice; higher is "
        "more consistent. Each part lies between \N{MINUS SIGN}1 and 1.",
        "A score is a similarity, not a probability, and an alert is a reason to look, not a proof of "
        "forgery. It never stands alone for a decision about a person.",
        "No contradiction is not a proof either: a forgery that is consistent with itself from the first "
        "moment to the last is not noticed, nor is one outside the face and the voice.",
        "Modern talking heads and most lip-sync generators fit the voice so well that the lips do not give "
        "them away.",
        "A poor picture, a turned head, bad sound or a slow network can make genuine media look worse.",
        "It does not say who somebody is, only whether somebody stays the same.",
        "The matrices show the windows in memory; a long recording or call has more than they hold.",
    ]
    items = [text(limit) for limit in said]
    engines = (engine for subject in report.subjects for engine in subject.origin.engines.values())
    if any(is_baseline(engine.id) for engine in engines):
        items.insert(
            0,
            "<strong>Baseline encoders: untrained.</strong> A part marked so follows a plain rule instead of "
            "a trained model. Take its values as a hint, not as evidence.",
        )
    if report.kind == "participant":
        items.append(
            "Times are those of the call: minutes and seconds since its first participant came, on the "
            "monitor's clock."
        )
    return bullets(items)


def _model_hash(engine: EngineInfo) -> str:
    return text(engine.source_sha256) if engine.source_sha256 else '<span class="muted">not kept</span>'


def _runs_on(engine: EngineInfo) -> str:
    return ", ".join(part for part in (engine.backend, engine.precision, engine.device) if part)
