"""Why an alert fired, or did not: everything that is known about one alert, on one page."""

from alerting_assets.explanation.chart import Chart, chart_of
from alerting_assets.explanation.expected import model_sentences
from alerting_assets.explanation.explain import explain
from alerting_assets.explanation.facts import Explanation
from alerting_assets.explanation.markdown import to_markdown
from alerting_assets.explanation.sections import sections_of

__all__ = ["Chart", "Explanation", "chart_of", "explain", "model_sentences", "sections_of", "to_markdown"]
