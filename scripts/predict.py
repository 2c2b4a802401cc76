"""Predict with a finished model: rows of a file in, predictions out."""

from pathlib import Path

import click

from offchain.errors import VerifogError
from offchain.learning.schema import parse_names
from offchain.learning.tables import read_table
from offchain.reporting.model_file import ModelFile, read_model
from offchain.reporting.prediction import (
    Gaps,
    Predictions,
    predict_table,
    predictions_to_json,
    write_predictions,
)

EPILOG = (
    "Example: ape run predict --model reports/latest/model.json --data new.csv "
    "--output predictions.csv. Rows are numbered as in the file: lines of a CSV file, its header "
    "being 1; rows of a Parquet file."
)
INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(epilog=EPILOG, context_settings={"max_content_width": 100})
@click.option("--model", "model_path", type=INPUT, required=True, help="Model file of a run.")
@click.option("--data", type=INPUT, required=True, help="CSV or Parquet file.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV file to write. Default: standard output.",
)
@click.option(
    "--missing",
    type=click.Choice([gap.value for gap in Gaps]),
    default=Gaps.EMPTY.value,
    show_default=True,
    help="Rows with missing values: an empty prediction, or an error.",
)
@click.option("--missing-marks", help="Further texts for a missing value, with commas between.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, nothing else.")
def cli(
    model_path: Path,
    data: Path,
    output: Path | None,
    missing: str,
    missing_marks: str | None,
    as_json: bool,
) -> None:
    """Predict each row of a file.

    The file's columns are found by name; it may have others. Where it has the target too, the
    predictions are scored against it. The model file is checked against its own commitment.
    """
    if output is not None and any(output.resolve() == p.resolve() for p in (model_path, data)):
        raise click.ClickException(f"--output: {output}: is read by this command")
    try:
        model = read_model(model_path)
        table = read_table(data, parse_names("missing-marks", missing_marks))
        predictions = predict_table(model, table, Gaps(missing))
        if output is not None:
            write_predictions(predictions, output)
    except VerifogError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(predictions_to_json(predictions, model, data, output))
        return
    if output is None:
        click.echo(predictions.to_csv(), nl=False)
    click.echo(_summary(predictions, model, output), err=True)


def _summary(predictions: Predictions, model: ModelFile, output: Path | None) -> str:
    parts = [f"{len(predictions.rows)} rows"]
    if predictions.missing:
        parts.append(f"{predictions.missing} without prediction: a value is missing")
    if predictions.score is not None:
        score = predictions.score
        parts.append(f"{score.metric} {score.value:.4f} on {score.rows} rows with target")
    where = f", written to {output}" if output is not None else ""
    return f"{model.target_name!r} predicted{where}: {'; '.join(parts)}"
