// The page, of its content: that of metrics.json, less what is not shown.

const content = JSON.parse(document.getElementById("content").textContent);
const { choice, coefficients, data, details, hyperparameters, intervals, metrics } = content;
const channels = Object.keys(metrics);
const epochs = content.drawn_epochs;
const chosen = content.candidates.find((candidate) => candidate.number === choice.candidate);
const isRegressor = content.predictor_type === "regressor";
const isBinary = content.predictor_type === "binary_classifier";

const TITLES = {
  binary_classifier: "binary classifier", multiclass_classifier: "multiclass classifier", regressor: "regressor",
};
// Metrics that the page opens with, where the model has them.
const HEADLINES = {
  binary_classifier: ["roc_auc_score", "binary_classification_accuracy", "precision", "recall"],
  multiclass_classifier: ["multiclass_accuracy", "macro_recall", "macro_precision"],
  regressor: ["rmse", "mae", "r2"],
};
const SCORES = {
  binary_classifier: "log odds of a positive row", multiclass_classifier: "score", regressor: "prediction",
};
const FINDINGS = {
  leak: "Possible leak", drift: "Drift", label_drift: "Drift of labels", rare_class: "Rare classes",
  diverged: "Diverged", still_improving: "Still improving", grid_end: "End of what was tried",
  constant_columns: "Constant columns",
};
const EVEN = [[0, 0], [1, 1]];

// -- pieces of it -------------------------------------------------------------------------------------------------------

const list = (items, between = ", ") => items.map((item, i) => html`${i > 0 && between}${item}`);
// It may go on in the next line after each underscore.
const breakable = (name) => list(name.split("_"), html`_<wbr>`);
const code = (name) => html`<code>${breakable(name)}</code>`;
const plural = (length, word) => html`${count(length)} ${word}${length !== 1 && "s"}`;
const cell = (value) => html`<td class="n">${value}</td>`;
const heading = (title) => html`<th scope="col" class="n">${title}</th>`;
const button = (title) => html`<button type="button">${title}</button>`;
const sortable = (title) => heading(button(title));
const row = (title, values) => html`<tr><th scope="row">${title}</th>${values.map(cell)}</tr>\n`;
const table = (label, style, caption, head, rows, id) =>
  html`<div class="scroll" role="region" aria-label="${label}" tabindex="0"><table class="${style}"${id && html` id="${id}"`}>
${caption && html`<caption>${caption}</caption>`}
<thead><tr>${head}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
const section = (id, title, ...parts) => ({ id, title, markup: html`<section id="${id}">\n<h2>${title}</h2>\n${parts}</section>\n` });
const figure = (title, drawing, caption) =>
  html`<figure><h3>${title}</h3>${drawing}<figcaption>${caption}</figcaption></figure>\n`;
const pair = (...parts) => html`<div class="pair">\n${parts}</div>\n`;
const small = (style, width, height, shapes) =>
  html`<svg class="${style}" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" aria-hidden="true">${shapes}</svg>`;

// The colour of a channel that the model was scored on.
const styleOf = (channel) => (channel === choice.channel ? "judge" : "test");
const key = (style, text) => html`<span class="key ${style}"></span>${text}`;
const channelKey = (channel) => key(styleOf(channel), channel);
const keys = list(channels.map(channelKey), " · ");

// -- what was trained ---------------------------------------------------------------------------------------------------

const rowsOf = ([name, { rows }]) => html`${rows === null ? "an unknown number of" : html`<strong>${count(rows)}</strong>`} rows of ${name}`;
const header = (sections) => html`<header>
<h1>Training report</h1>
<p class="lead">A <strong>${TITLES[content.predictor_type]}</strong> on <strong>${count(data.features)}</strong> ${data.sparse && "sparse "}features:
${list(Object.entries(data.channels).map(rowsOf))}${content.hosts > 1 && " (of the first host)"}.
Trained by the loss <code>${hyperparameters.resolved.loss}</code> with the optimizer <code>${hyperparameters.resolved.optimizer}</code>;
chosen from ${plural(content.all_candidates, "candidate")} after ${plural(content.epochs, "epoch")}${content.job && html`, in the job <strong>${content.job}</strong>`}.</p>
${content.hosts > 1 && html`<p class="notice"><strong>${content.hosts} hosts trained it, and this page looks at the rows of the first host only.</strong>
Over the rows of all hosts are the metrics and the losses of candidates. Over those of the first alone are
counts of rows and labels, all other curves and tables of the chosen model, standardised coefficients, and what is worth a look.</p>`}
<dl class="tiles">
${HEADLINES[content.predictor_type].filter((name) => name in metrics[choice.channel]).map((name) =>
  html`<div><dt>${breakable(name)}</dt>${channels.map((channel) => html`<dd>${number(metrics[channel][name])} <span>${channel}</span></dd>`)}</div>\n`)}
</dl>
<nav aria-label="Sections">${sections.map(({ id, title }) => html`<a href="#${id}">${title}</a>`)}</nav>
</header>
`;

const findings = () => section("findings", "Worth a look", content.findings.length
  ? html`<ul class="findings">${content.findings.map(({ kind, text }) => html`<li class="${kind}"><strong>${FINDINGS[kind]}</strong> ${text}</li>\n`)}</ul>`
  : html`<p>Nothing stood out: no suspects of leakage, no drift between the channels, no constant columns, no chosen value
at the end of what was tried.</p>`);

const theChoice = () => {
  const superlative = choice.higher_is_better ? "highest" : "least";
  const interval = (ends) => html`${number(ends[0])} to ${number(ends[1])}`;
  const score = (channel, name) => {
    const ends = intervals?.metrics[channel]?.[name];
    return html`${number(metrics[channel][name])}${ends && html`<br><small>${interval(ends)}</small>`}`;
  };
  const names = [...new Set(channels.flatMap((channel) => Object.keys(metrics[channel])))];
  return section("choice", "The chosen model",
    html`<p>Candidate <strong>${choice.candidate}</strong> was chosen by <code>${choice.criterion}</code> on channel
<em>${choice.channel}</em>, where it has <strong>${number(choice.value)}</strong>.
${choice.tied.length > 1
  ? html`The ${superlative} of all is ${number(content.candidates[0].value)}; ${choice.tied.length} candidates
are as good as that up to chance, and of them it has the least loss.`
  : content.all_candidates > 1 && `That is the ${superlative} of all.`}
Its weights are those of epoch ${choice.epoch}, counted from 0 as in the log, of ${content.epochs}${content.stopped_early && "; early stopping ended training"}.
${isBinary && html`Rows are called <em>${content.class_names[1]}</em> where their score is at least <strong>${number(choice.threshold)}</strong>${choice.criterion !== content.objective && html`, which is best by <code>${choice.criterion}</code>`}.`}</p>`,
    pair(
      html`<div>${table("Scores", "", "Scores of the chosen model", [html`<th scope="col">metric</th>`, channels.map(heading)],
        names.map((name) => row(code(name), channels.map((channel) => score(channel, name)))))}
${intervals && html`<p>Below each metric, the ${Math.round(100 * intervals.level)} % interval of ${intervals.samples} bootstrap samples of the rows${intervals.threshold && html`; that of the threshold is ${interval(intervals.threshold)}`}.</p>`}</div>`,
      figure("Its loss by epoch", chosenLosses(), html`${key("train", "train, while the rows are trained on")} · ${key("", choice.channel)}, after the epoch. The dot is epoch ${choice.epoch}.`),
    ));
};

// -- learning curves ----------------------------------------------------------------------------------------------------

const epochAxis = () => {
  const last = Math.max(content.epochs - 1, 1);
  return { name: "epoch", low: 0, high: last, ticks: Math.min(last, 8) };
};
// [epoch, loss] of the epochs that are drawn, without those that have none.
const curve = (losses) => losses.map((loss, i) => [epochs[i], loss]).filter(([, loss]) => loss !== null);
const best = (losses) => {
  const point = curve(losses).find(([epoch]) => epoch === choice.epoch);
  return point ? [dots([point], "marker", `epoch ${choice.epoch}: ${number(point[1])}`)] : [];
};
const chosenLosses = () => {
  const [train, judge] = [curve(chosen.train_loss), curve(chosen.judge_loss)];
  const [low, high] = d3.extent([...train, ...judge], ([, loss]) => loss);
  return draw(`Loss of candidate ${chosen.number} on train and on ${choice.channel}, by epoch`, epochAxis(), { name: "loss", low, high },
    [line(train, "train", "train"), line(judge, "judge", choice.channel), ...best(chosen.judge_loss)]);
};
// The least loss of any epoch, and one that few candidates exceed, none of them the chosen: curves leave the drawing above
// it, so that one wild candidate does not press all others to the ground.
const lossRange = () => {
  const both = (candidate) => [...candidate.train_loss, ...candidate.judge_loss].filter((loss) => loss !== null);
  const known = content.candidates.flatMap(both).sort(d3.ascending);
  const [low, high] = [known[0], Math.max(d3.quantile(known, 0.95), ...both(chosen))];
  return high > low ? [low, high] : [low, low + 1];
};
const losses = (name, channel, [low, high]) => {
  const ordered = [...content.candidates.filter((candidate) => candidate !== chosen), chosen];
  const lines = ordered.map((candidate) =>
    line(curve(candidate[name]), candidate === chosen ? "candidate chosen" : "candidate", `candidate ${candidate.number}`, candidate.number));
  return draw(`Loss on ${channel} by epoch, of each candidate`, epochAxis(), { name: "loss", low, high }, [...lines, ...best(chosen[name])]);
};
const spark = ({ train_loss, judge_loss }, [low, high]) => {
  const last = Math.max(content.epochs - 1, 1);
  const place = ([epoch, loss]) => [Math.round((100 * epoch) / last), (24 - 22 * Math.min((loss - low) / (high - low), 10)).toFixed(1)];
  const small_line = (style, points) => html`<polyline class="${style}" points="${curve(points).map(place).join(" ")}"/>`;
  return small("spark", 100, 26, [small_line("train", train_loss), small_line("judge", judge_loss)]);
};

const candidates = () => {
  const { all_candidates: all, candidates: shown, varied } = content;
  const range = lossRange();
  const own = choice.criterion === content.objective ? [] : [choice.criterion];
  const titles = ["candidate", ...own, "loss", "best epoch", ...varied];
  const order = html` aria-sort="${choice.higher_is_better ? "descending" : "ascending"}"`;
  const outcome = ({ number, diverged }) =>
    diverged ? "diverged" : number === choice.candidate ? "chosen" : choice.tied.includes(number) ? "as good" : "";
  const value = (text, value) => html`<td class="n" data-value="${value}">${text}</td>`;
  const setting = (found) => (typeof found === "boolean" ? value(Number(found), Number(found)) : value(number(found), found)); // yes is 1
  const line = (candidate) => {
    const epoch = candidate.best_epoch >= 0 ? candidate.best_epoch : null;
    const cells = [...own.map(() => candidate.value), candidate.loss];
    return html`<tr${candidate === chosen && html` class="chosen"`}>
<td class="n" data-value="${candidate.number}"><button type="button" class="show" aria-pressed="false" data-candidate="${candidate.number}" aria-label="Show candidate ${candidate.number}">${candidate.number}</button></td>
${cells.map((cell) => value(number(cell), cell))}${value(epoch, epoch)}${varied.map((name) => setting(candidate.hyperparameters[name]))}
<td>${spark(candidate, range)}</td><td>${outcome(candidate)}</td></tr>\n`;
  };
  return section("candidates", "Candidates",
    pair(
      figure(`Loss on ${choice.channel}`, losses("judge_loss", choice.channel, range),
        html`${key("chosen", `candidate ${choice.candidate}, chosen`)} · ${key("other", "the others")}. Mean after each epoch.`),
      figure("Loss on train", losses("train_loss", "train", range), "The same; a mean over the rows while they were trained on."),
    ),
    html`<p>Loss: ${code(content.objective)}, in the table that of the best epoch on ${choice.channel}. Press a candidate's number to see
its curves. The small ones: ${key("train", "train")} · ${key("", choice.channel)}.</p>`,
    table("Candidates", "sortable", shown.length < all ? `The best ${shown.length} of ${count(all)} candidates; metrics.json has all.` : "All candidates.",
      [titles.map((title, i) => html`<th scope="col" class="n"${i === 1 && order}>${button(breakable(title))}</th>`),
        html`<th scope="col">loss by epoch</th><th scope="col">outcome</th>`],
      shown.map(line), "candidate-table"));
};

// -- classifiers --------------------------------------------------------------------------------------------------------

const place = isBinary ? details[choice.channel].thresholds.indexOf(choice.threshold) : 0;
const ratio = (part, whole) => (whole ? part / whole : 0);
// Of the counts of a channel at a threshold.
const ratios = ({ true_positives: right, false_positives: wrong, false_negatives: missed, true_negatives: rest }, at) => ({
  accuracy: ratio(right[at] + rest[at], right[at] + wrong[at] + missed[at] + rest[at]),
  precision: ratio(right[at], right[at] + wrong[at]),
  recall: ratio(right[at], right[at] + missed[at]),
  F1: ratio(2 * right[at], 2 * right[at] + wrong[at] + missed[at]),
});

const thresholds = () => {
  const names = content.class_names;
  const matrix = (channel) => {
    const counts = details[channel].confusion;
    const found = Object.entries(ratios(counts, place));
    const line = (label, cells) => html`<tr><th scope="row">label ${label}</th>${cells.map(([style, cell]) => html`<td class="${style}" data-cell="${cell}">${count(counts[cell][place])}</td>`)}</tr>`;
    return html`<div class="card matrix" data-channel="${channel}">
<table>
<caption>${channelKey(channel)}: rows by label and prediction</caption>
<thead><tr><td></td>${[1, 0].map((c) => html`<th scope="col">predicted ${names[c]}</th>`)}</tr></thead>
<tbody>
${line(names[1], [["hit", "true_positives"], ["miss", "false_negatives"]])}
${line(names[0], [["miss", "false_positives"], ["hit", "true_negatives"]])}
</tbody></table>
<table class="ratios" aria-live="polite">
<thead><tr>${found.map(([name]) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody><tr>${found.map(([name, ratio]) => html`<td data-ratio="${name}">${number(ratio)}</td>`)}</tr></tbody></table>
</div>\n`;
  };
  const area = (channel) => "roc_auc_score" in metrics[channel] && ` Area on ${channel}: ${number(metrics[channel].roc_auc_score)}.`;
  const most = details[choice.channel].thresholds.length - 1;
  return section("threshold", "Thresholds",
    html`<div class="slider">
<label for="slider">Threshold: <output id="threshold-value" for="slider">${number(choice.threshold)}</output></label>
<input type="range" id="slider" min="0" max="${most}" step="1" value="${place}" data-chosen="${place}" aria-valuetext="${number(choice.threshold)}">
<button type="button" id="reset">Chosen threshold</button>
</div>`,
    pair(channels.map(matrix)),
    pair(
      figure("ROC", roc(), html`${keys} · ${key("even", "no skill")}. The dots are the threshold.${channels.map(area)}`),
      figure("Precision and recall", precisionRecall(), html`${keys} · ${key("even", "all rows called positive")}`),
    ));
};
// By threshold: rates of the rows of either label that are called positive, and of those rows the share that is.
const rates = ({ confusion: { true_positives: right, false_positives: wrong, false_negatives: missed, true_negatives: rest } }) =>
  right.map((_, i) => ({
    recall: ratio(right[i], right[i] + missed[i]),
    fallout: ratio(wrong[i], wrong[i] + rest[i]),
    precision: right[i] + wrong[i] ? right[i] / (right[i] + wrong[i]) : 1, // where nothing is, the curve begins
  }));
const roc = () => draw("True against false positive rate at all thresholds", share("false positive rate"), share("true positive rate"),
  [line(EVEN, "even"), ...channels.flatMap((channel) => {
    const points = rates(details[channel]).map(({ fallout, recall }) => [fallout, recall]);
    return [line([[1, 1], ...points], styleOf(channel), channel), marker(points, place, `marker ${styleOf(channel)}`)];
  })]);
const precisionRecall = () => draw("Precision against recall at all thresholds", share("recall"), share("precision"),
  channels.flatMap((channel) => {
    const { true_positives: right, false_positives: wrong, false_negatives: missed, true_negatives: rest } = details[channel].confusion;
    const positives = right[0] + missed[0];
    const base = ratio(positives, positives + wrong[0] + rest[0]);
    const points = rates(details[channel]).map(({ recall, precision }) => [recall, precision]);
    return [line([[0, base], [1, base]], "even"), line(points, styleOf(channel), channel), marker(points, place, `marker ${styleOf(channel)}`)];
  }));

const classes = () => {
  const names = content.class_names;
  // A level of shading, 0 to 9, by the share of the row.
  const shade = (cells, i, c) => `${i === c ? "hit" : "miss"}${Math.ceil((9 * cells[i]) / Math.max(1, d3.sum(cells)))}`;
  const matrix = (channel) => table(`Confusion matrix of channel ${channel}`, "heat confusion", "Rows by label (down) and prediction (across)",
    [html`<td></td>`, names.map(heading)],
    details[channel].matrix.map((cells, c) =>
      html`<tr><th scope="row">${names[c]}</th>${cells.map((rows, i) => html`<td class="n ${shade(cells, i, c)}">${count(rows)}</td>`)}</tr>\n`));
  const confusions = (channel) => table(`Most frequent confusions in channel ${channel}`, "", "Most frequent confusions",
    html`<th scope="col">label</th><th scope="col">prediction</th>${heading("rows")}`,
    details[channel].confusions.map(([label, predicted, rows]) => html`<tr><td>${label}</td><td>${predicted}</td>${cell(count(rows))}</tr>\n`));
  const line = ([c, name, labelled, predicted, right]) => {
    const values = [right / Math.max(1, predicted), right / Math.max(1, labelled), (2 * right) / Math.max(1, labelled + predicted)];
    return html`<tr><td class="n" data-value="${c}">${name}</td><td class="n" data-value="${labelled}">${count(labelled)}</td>${values.map((value) => html`<td class="n" data-value="${value}">${number(value)}</td>`)}</tr>\n`;
  };
  return section("classes", "Classes",
    pair(channels.map((channel) => html`<div><h3>${channelKey(channel)}</h3>\n${names ? matrix(channel) : confusions(channel)}</div>\n`)),
    table(`Classes of channel ${choice.channel}`, "sortable",
      html`${choice.channel}, by class${content.classes.length < content.all_classes && ` (the ${content.classes.length} with the most rows)`}`,
      ["class", "rows", "precision", "recall", "F1"].map(sortable), content.classes.map(line)));
};

const calibration = () => {
  const curves = channels.flatMap((channel) => {
    const { predicted, observed } = details[channel].calibration;
    const points = predicted.map((value, i) => [value, observed[i]]);
    return [line(points, styleOf(channel), channel), dots(points, styleOf(channel))];
  });
  const error = (title, name) => row(title, channels.map((channel) => number(details[channel].calibration[name])));
  return section("calibration", "Calibration", pair(
    figure("Reliability", draw("Observed share against predicted probability", share("predicted probability"), share("observed share"), [line(EVEN, "even"), ...curves]),
      html`${keys} · ${key("even", "perfectly calibrated")}. Each point is about a tenth of the rows.`),
    html`<div class="card">${table("Calibration", "", isBinary ? "How far probabilities are off" : "How far the probability of the predicted class is off",
      [html`<td></td>`, channels.map(heading)],
      [error("expected calibration error", "expected_calibration_error"), error("Brier score", "brier_score")])}</div>\n`,
  ));
};

// -- regressors ---------------------------------------------------------------------------------------------------------

const errors = () => {
  const { points, histogram, quantiles } = details[choice.channel];
  const distances = points.map(([label, predicted]) => [predicted, predicted - label]);
  const all = d3.extent(points.flat());
  const [low, high] = all[1] > all[0] ? all : [all[0], all[0] + 1];
  const [least, most] = d3.extent(distances, ([predicted]) => predicted);
  const [lowest, highest] = d3.extent(distances, ([, error]) => error);
  const { edges, rows } = histogram;
  return section("errors", "Errors", pair(
    figure("Prediction and label", draw("Prediction against label", { name: "label", low, high }, { name: "prediction", low, high },
      [line([[low, low], [high, high]], "even"), dots(points, "points")]),
      html`${channelKey(choice.channel)}, ${points.length} of its rows · ${key("even", "no error")}`),
    figure("Errors", draw("Rows by error", { name: "error", low: edges[0], high: edges.at(-1) }, { name: "rows", low: 0, high: Math.max(...rows) },
      [columns(edges, rows)]),
      html`${channelKey(choice.channel)}: prediction less label`),
    figure("Error and prediction", draw("Error against prediction", { name: "prediction", low: least, high: most }, { name: "error", low: lowest, high: highest },
      [line([[least, 0], [most, 0]], "even"), dots(distances, "points")]),
      html`${channelKey(choice.channel)}, the same rows · ${key("even", "no error")}`),
    html`<div class="card">${table("Quantiles of the errors", "", "Prediction less label: quantiles", [heading("share of rows below"), channels.map(heading)],
      Object.keys(quantiles).map((share) => html`<tr><th scope="row" class="n">${Number((100 * share).toPrecision(6))} %</th>${channels.map((channel) => cell(number(details[channel].quantiles[share])))}</tr>\n`))}</div>\n`,
  ));
};

// -- coefficients -------------------------------------------------------------------------------------------------------

const theCoefficients = () => {
  const { bias, strongest } = coefficients;
  const most = Math.max(...strongest.flatMap(({ standardised }) => standardised.map(Math.abs))) || 1;
  const title = ({ name, feature }) => (data.named ? html`<th scope="row" class="name">${name}</th>` : html`<th scope="row">${feature}</th>`);
  const value = (value) => html`<td class="n" data-value="${value}">${number(value)}</td>`;
  const side = (share) => (share >= 0 ? "plus" : "minus");
  const bar = (share) => {
    const width = 78 * Math.abs(share);
    return small("bar", 160, 14, html`<rect class="${side(share)}" x="${share >= 0 ? 80 : 80 - width}" y="2" width="${width}" height="10"/><line x1="80" x2="80" y1="0" y2="14"/>`);
  };
  const one = () => table("Coefficients", "sortable", `The ${strongest.length} strongest`,
    html`${data.named ? html`<th scope="col">${button("name")}</th>` : sortable("feature")}<th scope="col" class="n" aria-sort="descending" data-by="size">${button("standardised")}</th><td class="bars"></td><th scope="col" class="n" data-by="size">${button("coefficient")}</th>${data.named && html`<th scope="col" class="n place">${button("feature")}</th>`}`,
    strongest.map((row) => html`<tr><th scope="row" class="${data.named ? "name" : "n"}">${data.named ? row.name : row.feature}</th>${value(row.standardised[0])}<td class="bars">${bar(row.standardised[0] / most)}</td>${value(row.coefficient[0])}${data.named && html`<td class="n place">${row.feature}</td>`}</tr>\n`));
  const head = () => html`<th scope="col">feature</th>${content.class_names.map(heading)}`;
  const few = () => {
    const decimals = Math.min(Math.max(2 - Math.floor(Math.log10(most)), 0), 9);
    const level = (share) => `${side(share)}${Math.round(9 * Math.abs(share))}`;
    return html`${table("Coefficients", "heat", `The ${strongest.length} strongest, standardised, by class`, head(),
      strongest.map((row) => html`<tr>${title(row)}${row.standardised.map((value) => html`<td class="n ${level(value / most)}">${value.toFixed(decimals)}</td>`)}</tr>\n`))}
<details>
<summary>The same in the features' own units, and the biases</summary>
${table("Coefficients in the features' own units", "heat", "", head(),
  [row("(bias)", bias.map(number)), strongest.map((row) => html`<tr>${title(row)}${row.coefficient.map((value) => cell(number(value)))}</tr>\n`)])}
</details>`;
  };
  const many = () => table("Coefficients", "sortable", `The ${strongest.length} strongest, each in the class where it is`,
    ["feature", "class", "coefficient", "standardised"].map(sortable),
    strongest.map((row) => html`<tr><td class="name">${row.name}</td><td>${row.class}</td>${value(row.coefficient[0])}${value(row.standardised[0])}</tr>\n`));
  return section("coefficients", "Coefficients",
    html`<p>${count(coefficients.nonzero)} of ${count(coefficients.total)} coefficients are not zero.
${bias.length === 1 && `The bias is ${number(bias[0])}.`}
A <em>standardised</em> coefficient is what one standard deviation of the feature in the train channel adds to the ${SCORES[content.predictor_type]};
coefficients.csv has all of them, with those in the features' own units.</p>`,
    bias.length === 1 ? one() : content.class_names ? few() : many());
};

// -- data and settings --------------------------------------------------------------------------------------------------

const LABEL = ["mean", "std", "least", "median", "most"];
const dataAndSettings = () => {
  const bar = (counts, rows) => {
    const widths = counts.map((count) => (220 * count) / Math.max(1, rows));
    return small("balance", 220, 14, widths.map((width, i) => html`<rect x="${d3.sum(widths.slice(0, i))}" y="0" width="${width}" height="14"/>`));
  };
  const labels = ({ counts, largest, rows }) => html`<td>${counts && bar(counts, rows)}<span class="balance-text">${list(largest.map(([name, labelled]) =>
    `${name}: ${count(labelled)} (${((100 * labelled) / Math.max(1, rows)).toFixed(1)}%)`))}${content.all_classes > largest.length && ", …"}</span></td>`;
  const channel = ([name, { rows, label, balance }]) => html`<tr><th scope="row">${name}</th>${cell(count(rows))}
${isRegressor ? LABEL.map((at) => cell(label && number(label[at]))) : labels(balance)}</tr>\n`;
  const { given, resolved } = hyperparameters;
  // As it would be given.
  const setting = (value) => (typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : String(value ?? ""));
  return section("data", "Data and settings",
    table("Channels", "", "Channels",
      html`<th scope="col">channel</th>${heading("rows")}${isRegressor ? LABEL.map((at) => heading(`label: ${at}`)) : html`<th scope="col">labels</th>`}`,
      Object.entries(data.channels).map(channel)),
    html`<p>Given: ${list(Object.entries(given).map(([name, value]) => html`<code>${breakable(name)}=${value}</code>`))}.</p>
<details>
<summary>Hyperparameters: ${Object.keys(given).length} given, ${Object.keys(resolved).length} in all</summary>
${table("Hyperparameters", "", "", html`<th scope="col">name</th><th scope="col">given</th><th scope="col">as used</th>`,
  Object.entries(resolved).map(([name, value]) => html`<tr><th scope="row">${code(name)}</th><td>${given[name]}</td><td>${setting(value)}</td></tr>\n`))}
<p>Candidates vary <code>learning_rate</code>, <code>lr_scheduler_factor</code>, <code>wd</code> and <code>l1</code> where they
were left to <code>auto</code>: the table of candidates has theirs. Of sparse rows a <code>raw_penalty</code> of 1 says
that <code>wd</code> and <code>l1</code> count the weights of raw columns, not those of scaled ones.</p>
</details>`);
};

const sections = [
  findings(),
  theChoice(),
  isRegressor ? errors() : isBinary ? thresholds() : classes(),
  ...(channels.some((channel) => details[channel].calibration) ? [calibration()] : []),
  candidates(),
  theCoefficients(),
  dataAndSettings(),
];
document.title = `Training report: ${TITLES[content.predictor_type]}`;
document.body.insertAdjacentHTML("afterbegin", put(html`${header(sections)}<main>
${sections.map(({ markup }) => markup)}</main>
<footer><p>Beside this page: <code>metrics.json</code>, all of its numbers, and <code>coefficients.csv</code>. Made by
${list(Object.entries(content.versions).map(([name, version]) => `${name} ${version}`))}.</p></footer>`));
