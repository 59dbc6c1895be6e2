"""The report that a job leaves behind: a page to look at, and the same numbers for programs.

subject.py        what the report is about, as plain values: the job hands it over and the report asks nothing back
binary.py         confusion counts along thresholds, and how well probabilities are calibrated
multiclass.py     the confusion matrix
regression.py     errors
coefficients.py   the weights, in raw units and per standard deviation
findings.py       what a careful colleague would point out
content.py        all of it as one JSON object: metrics.json
page.py           report.html, of what it shows of that, with D3, and the style sheet and the scripts beside it:
  charts.js         markup, and drawings with axes, by D3
  page.js           what the page says and draws
  controls.js       what the reader can press and move
writing.py        the three files
"""
