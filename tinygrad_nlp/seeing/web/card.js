// What is said of a step, and the panel for nudging a number.
function written(text, names) {                   // a rule; the names that it reads stand out
  const line = make("p.rule.mono", "")
  for (const part of text.match(/(?!ᵀ)[\p{L}_](?:(?!ᵀ)[\p{L}\p{Nd}_])*|./gu) || []) line.append(names.includes(part) ? make("b", part) : part)
  return line
}

const captioned = (symbol, label) => make("span", "", make("b", symbol), label && label !== symbol ? ` = ${label}` : "")
const row = (...figures) => make("div.arrays", "", ...figures)
const sum = (...figures) => make("div.arrays.sum", "", ...figures.map(f => typeof f === "string" ? make("span.sign", f) : f))

function card(item) {
  return { start, turn: turning, end, forward, "forward-fold": forwardFold, share, "share-fold": shareFold }[item.kind](item)
}

function start() {
  const given = nodes.flatMap((node, n) => node.kind === "leaf" ? [figure(node.value, captioned(node.name, ""))] : [])
  return [make("h2", "Given"), make("p.what", "The leaves: the loss will be differentiated with respect to each of them."), row(...given.slice(0, 24))]
}

function forward({ call }) {
  const { node, inputs } = calls[call], { name, text, value, source } = nodes[node]
  const args = inputs.map(([, n]) => figure(nodes[n].value, captioned(nodes[n].name, "")))
  return [make("h2", `Forward: call ${call + 1} of ${calls.length}`), written(`${name} = ${text}`, inputs.map(([, n]) => nodes[n].name)),
    ...(source ? [make("p.what", "", make("small", source))] : []), sum(...args, "→", figure(value, captioned(name, "")))]
}

function forwardFold({ fold, parts }) {
  const { rounds, period } = folds[fold]
  return [make("h2", "Forward: a loop"), make("p.what", `Calls ${parts[0].call + 1} to ${parts.at(-1).call + 1} are ${plural(rounds, "round")} of ${plural(period, "call")} like those of the round that comes next, with numbers of their own.`), unfolding(fold)]
}

function unfolding(fold) {
  const button = make("button", "unfold them")
  button.onclick = () => unfold(fold)
  return button
}

function turning() {
  return [make("h2", "The turn"), make("p.what", `The forward pass ends with ${y.name}${brief(y.value) ? ` = ${brief(y.value)}` : ""}. The backward pass starts with its gradient${brief(data.seed) === "1" ? `, ∂${y.name} = 1: how ${y.name} changes with itself` : ", which was given"}.`),
    row(figure(y.value, captioned(y.name, "")), figure(data.seed, captioned(`∂${y.name}`, "")))]
}

function complete(name, n) {
  return make("p.done", nodes[n].kind === "leaf" ? `That was its last use: ∂${name} is complete, and backward() adds it to ${name}.grad.` : `That was its last use: ∂${name} is complete and can be passed on.`)
}

function share({ share: k }) {
  const s = shares[k], call = nodes[s.call], { name } = nodes[s.to], [use, uses] = s.use, { code, says } = data.rules[s.code]
  const found = [make("h2", `Backward: what ${name} gets from a call${uses > 1 ? `, use ${use} of ${uses}` : ""}`), make("p.what.mono", `${call.name} = ${call.text}`),
    written(`∂${name} += ${s.rule}`, s.reads.map(([symbol]) => symbol))]
  if (says) found.push(make("p.what", "", make("small", says)))
  if (code) found.push(make("details", "", make("summary", "the rule in Python"), make("pre", code)))
  const texts = s.reads.filter(([, , v]) => typeof v === "string"), arrays = s.reads.filter(([, , v]) => typeof v === "number")
  found.push(make("h2", "The rule reads"), row(...arrays.map(([symbol, label, v]) => figure(v, captioned(symbol, label)))))
  if (texts.length) found.push(make("p.what", "", make("small", texts.map(([symbol, label, v]) => `${symbol}${label && label !== symbol ? ` = ${label}` : ""}: ${v}`).join("; "))))
  const added = figure(s.share, make("span", s.summed ? "this share, summed over the axes that broadcasting stretched" : "this share"))
  found.push(make("h2", "It adds"), "before" in s ? sum(figure(s.before, make("span", `∂${name} so far`)), "+", added, "=", figure(s.total, make("span", `∂${name} now`))) : sum(added))
  found.push(use === uses ? complete(name, s.to) : make("p.what", `${plural(uses - use, "more share")} to come.`))
  return found
}

function shareFold({ fold, parts }) {
  const { rounds, period } = folds[fold], inside = new Set(folds[fold].hidden), to = new Map()
  for (const part of parts) {
    const s = shares[part.share]
    if (!inside.has(s.to)) to.set(s.to, [...to.get(s.to) ?? [], s])
  }
  const found = [make("h2", "Backward: a loop"), make("p.what", `${plural(rounds, "more round")} of ${plural(period, "call")}, like those of the round before, send ${plural(parts.length, "share")}.`), unfolding(fold)]
  for (const [n, list] of to) {
    const { name } = nodes[n], first = list[0], last = list.at(-1)
    found.push(make("h2", `${name} gets ${plural(list.length, "share")} here: use${list.length > 1 ? `s ${first.use[0]} to ${last.use[0]}` : ` ${first.use[0]}`} of ${last.use[1]}`))
    found.push(sum(...("before" in first ? [figure(first.before, make("span", `∂${name} so far`)), "→"] : []), figure(last.total, make("span", `∂${name} now`))))
    if (last.use[0] === last.use[1]) found.push(complete(name, n))
  }
  return found
}

function end() {
  const found = data.leaves.map(n => figure(totalAt(n, items.length), captioned(`∂${nodes[n].name}`, "")))
  return [make("h2", "Done"), make("p.what", found.length ? `The gradients of ${y.name}. backward() adds each to the .grad of its leaf.` : "Nothing to differentiate."), row(...found.slice(0, 24))]
}

// --- Nudge ------------------------------------------------------------------------------------------------------------

const rounded = (v, digits = 6) => typeof v === "number" ? Number(v.toPrecision(digits)).toString().replace("-", "−") : v
const mark = v => { const text = rounded(v, 3); return text.length < 7 ? text : v.toExponential(0).replace("-", "−") }

function nudge(k, j) {
  const { name, slope, at: xs, loss } = nudges[k], centre = (xs.length - 1) / 2, svg = byId("plot")
  const finite = loss.filter(v => typeof v === "number"), low = Math.min(...finite), high = Math.max(...finite), room = (high - low) * 0.12 || Math.abs(high) * 0.1 || 1
  const X = v => 46 + 500 * (v - xs[0]) / (xs.at(-1) - xs[0]), Y = v => 205 - 190 * (v - low + room) / (high - low + 2 * room)
  const tangent = x => loss[centre] + slope * (x - xs[centre]), inside = v => Math.max(low - room, Math.min(high + room, v))
  svg.replaceChildren()
  for (const [text, x, y, anchor] of [[mark(xs[0]), 46, 224, "start"], [`${name} →`, 296, 224, "middle"], [mark(xs.at(-1)), 546, 224, "end"], [mark(high), 42, Y(high) + 4, "end"], [mark(low), 42, Y(low) + 4, "end"]])
    draw("text", { x, y, "text-anchor": anchor }, text, svg)
  draw("path", { class: "axis", d: "M46,10 V208 H546" , fill: "none" }, "", svg)
  if (typeof slope === "number") {                // only as far as it is within the picture
    const ends = [xs[0], xs.at(-1)].map(x => slope === 0 || inside(tangent(x)) === tangent(x) ? x : xs[centre] + (inside(tangent(x)) - loss[centre]) / slope)
    draw("path", { class: "tangent", d: ends.map((x, i) => `${i ? "L" : "M"}${X(x)},${Y(tangent(x))}`).join("") }, "", svg)
  }
  let pen = "M"
  draw("path", { class: "curve", d: xs.map((x, i) => { if (typeof loss[i] === "string") { pen = "M"; return "" } const to = `${pen}${X(x)},${Y(loss[i])}`; pen = "L"; return to }).join("") }, "", svg)
  if (typeof loss[j] === "number") {
    draw("path", { class: "gap", d: `M${X(xs[j])},${Y(loss[j])} V${Y(inside(tangent(xs[j])))}` }, "", svg)
    draw("circle", { cx: X(xs[j]), cy: Y(loss[j]), r: 6, fill: "var(--value)" }, "", svg)
  }
  const says = typeof slope === "string" ? "" : ` The tangent says ${rounded(tangent(xs[j]))}.`
  const what = j === centre ? `${name} is ${rounded(xs[j])}, and ${y.name} is ${rounded(loss[j])}. The slope here is the gradient, ${rounded(slope)}.` : `With ${name} at ${rounded(xs[j])} instead of ${rounded(xs[centre])}, ${y.name} is ${rounded(loss[j])} instead of ${rounded(loss[centre])}.${says}`
  byId("said").textContent = what
  byId("by").setAttribute("aria-valuetext", what)
}

function nudgePanel() {
  if (!nudges.length) return
  const select = make("select"), slider = make("input")
  Object.assign(slider, { id: "by", type: "range", min: 0, max: nudges[0].at.length - 1, value: (nudges[0].at.length - 1) / 2 })
  select.id = "which", select.setAttribute("aria-label", "number to nudge"), slider.setAttribute("aria-label", "its value")
  nudges.forEach(({ name }, k) => { const option = make("option", name); option.value = k; select.append(option) })
  const svg = draw("svg", { id: "plot", viewBox: "0 0 560 232", role: "img", "aria-label": `${y.name} along this number, and the tangent that the gradient predicts` })
  select.onchange = () => { slider.value = (nudges[0].at.length - 1) / 2; nudge(Number(select.value), Number(slider.value)) }
  slider.oninput = () => nudge(Number(select.value), Number(slider.value))
  byId("nudge").append(make("h2", "Nudge a number: what the gradient predicts"), make("div.pick", "", select, slider), svg, make("p", "", make("span.v", "── the loss, computed"), "  ", make("span.g", "╌╌ the tangent, from the gradient")))
  const said = make("p", "")
  said.id = "said", byId("nudge").append(said)
  byId("nudge").hidden = false
  nudge(0, (nudges[0].at.length - 1) / 2)
}

// --- Begin ------------------------------------------------------------------------------------------------------------

document.querySelectorAll(".bar, #picture, #card").forEach(element => { element.hidden = false })
dark.onchange = () => { thumbs.clear(); rebuild() }
rebuild()
nudgePanel()
