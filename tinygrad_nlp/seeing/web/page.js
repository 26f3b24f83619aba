// The walk: forward, call by call, then backward, share by share. Everything that the page says comes from `data`.
const data = JSON.parse(document.getElementById("data").textContent)
const { nodes, calls, shares, folds, pictures, nudges } = data
const byId = id => document.getElementById(id), y = nodes[data.y]
const still = matchMedia("(prefers-reduced-motion: reduce)"), dark = matchMedia("(prefers-color-scheme: dark)")
const open = new Set()                            // the folds that are unfolded
const callOf = new Map(calls.map((call, k) => [call.node, k]))
let items, shown, at = 0, timer = 0, journey = 0

function make(tag, text, ...children) {           // an element; "p.name" gives it classes; text is never read as HTML
  const [kind, ...style] = tag.split("."), element = document.createElement(kind)
  if (style.length) element.className = style.join(" ")
  if (text) element.textContent = text
  element.append(...children)
  return element
}

function draw(tag, attributes, text, parent) {    // the same for SVG
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  if (text) element.textContent = text
  if (parent) parent.append(element)
  return element
}

const said = v => (typeof v === "number" && v && Math.abs(v) < 1e-4 ? v.toExponential() : `${v}`).replaceAll("-", "−")
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`

// --- Arrays ----------------------------------------------------------------------------------------------------------

function cellsOf(p) {                             // rows of numbers from -1 to 1, NaN for what is not finite
  if (p.rows) {
    const most = Math.max(1e-300, ...p.rows.flat().map(v => Math.abs(v) || 0))
    return p.rows.map(row => row.map(v => typeof v === "string" ? NaN : v / most))
  }
  const bytes = Int8Array.from(atob(p.cells), c => c.charCodeAt(0)), rows = []
  for (let k = 0; k < bytes.length; k += p.columns) rows.push([...bytes.slice(k, k + p.columns)].map(b => b === -128 ? NaN : b / 127))
  return rows
}

function tint(v) {                                // red above 0, blue below, stronger with size, violet for NaN
  return isNaN(v) ? "rgba(160, 60, 200, .8)" : `rgba(var(--${v < 0 ? "minus" : "plus"}), ${(0.78 * Math.abs(v)).toFixed(3)})`
}

function paint(p, size) {
  const rows = cellsOf(p), canvas = make("canvas"), style = getComputedStyle(document.documentElement)
  canvas.width = Math.max(1, (rows[0] ?? []).length) * size, canvas.height = Math.max(1, rows.length) * size
  const brush = canvas.getContext("2d")
  rows.forEach((row, i) => row.forEach((v, j) => {
    brush.fillStyle = tint(v).replace(/var\((.*?)\)/, (_, name) => style.getPropertyValue(name))
    brush.fillRect(j * size, i * size, size, size)
  }))
  return canvas
}

function brief(k) {                               // the numbers of a small array, of a larger one its shape
  const p = pictures[k], few = p.rows && p.rows.flat()
  if (!few || few.length > 4) return ""
  const text = p.shape === "()" ? said(few[0]) : p.rows.map(row => `[${row.map(said).join(" ")}]`).join(" ")
  return text.length <= 24 ? text : ""
}

const spoken = k => brief(k) || `an array of shape ${pictures[k].shape} and norm ${pictures[k].norm}`

function figure(k, caption) {
  const p = pictures[k], element = make("figure")
  caption.append(make("small", p.shape === "()" ? "" : ` ${p.shape} norm ${p.norm}`))
  element.append(make("figcaption", "", caption))
  if (p.rows) {
    const table = make("table"), cells = cellsOf(p)
    p.rows.forEach((row, i) => {
      const line = table.insertRow()
      row.forEach((v, j) => { const cell = line.insertCell(); cell.textContent = said(v); cell.style.background = tint(cells[i][j]) })
    })
    element.append(make("div.scroll", "", table))
  } else {
    const canvas = paint(p, Math.max(3, Math.min(12, Math.floor(300 / p.columns))))
    canvas.setAttribute("role", "img")
    canvas.setAttribute("aria-label", `heat map of an array ${p.shape}, largest magnitude ${p.most}`)
    element.append(canvas, make("small", `heat map, full colour ±${p.most}`))
  }
  return element
}

// --- The graph as it is shown: loops folded, but for those in `open` --------------------------------------------------

function view() {
  const within = new Map()                        // of a node, the fold that hides it
  folds.forEach((fold, f) => { if (!open.has(f)) for (const n of fold.hidden) within.set(n, f) })
  const usedBy = nodes.map(() => new Set())
  for (const call of calls) for (const [, n] of call.inputs) usedBy[n].add(within.get(call.node))
  nodes.forEach((node, n) => {                    // what only hidden calls use is hidden with them
    if (node.kind !== "call" && usedBy[n].size === 1 && !usedBy[n].has(undefined)) within.set(n, [...usedBy[n]][0])
  })
  const boxes = [], boxOf = new Map(), box = (key, what) => boxOf.get(key) ?? (boxOf.set(key, boxes.push(what) - 1), boxes.length - 1)
  const seen = n => within.has(n) ? box(`fold${within.get(n)}`, { fold: within.get(n) }) : box(n, { node: n })
  const edges = [], edgeOf = new Map()
  for (const call of calls) {
    const ends = call.inputs.map(([arg, n]) => [arg, seen(n), n]), to = seen(call.node)
    for (const [arg, from, n] of ends) {
      if (from === to) continue
      const merged = boxes[from].fold !== undefined || boxes[to].fold !== undefined, key = merged ? `${from}-${to}` : `${call.node}.${arg}`
      if (!edgeOf.has(key)) edgeOf.set(key, edges.push({ from, to, arg, quiet: nodes[n].kind === "constant", call: call.node }) - 1)
      edgeOf.set(`${call.node}.${arg}`, edgeOf.get(key))
    }
  }
  if (!calls.length) seen(data.y)
  return { boxes, boxOf, edges, edgeOf, within }
}

function timeline({ within }) {                   // what happens, in order
  const found = [{ kind: "start" }], foldOf = n => within.get(n)
  const add = (kind, n, what) => {
    const f = foldOf(n), last = found.at(-1)
    if (f === undefined) found.push({ kind, ...what })
    else if (last.kind === `${kind}-fold` && last.fold === f) last.parts.push(what)
    else found.push({ kind: `${kind}-fold`, fold: f, parts: [what] })
  }
  calls.forEach((call, k) => add("forward", call.node, { call: k }))
  found.push({ kind: "turn" })
  shares.forEach((share, s) => add("share", share.call, { share: s }))
  found.push({ kind: "end" })
  return found
}

const sentAlong = share => shown.edges[shown.edgeOf.get(`${shares[share].call}.${shares[share].arg}`)] ?? {}  // none within a fold
const partsOf = item => item.parts ?? [item]
const turn = () => items.findIndex(item => item.kind === "turn")

function rebuild() {
  const now = items && partsOf(items[at])[0], kind = items && items[at].kind
  shown = view(), items = timeline(shown)
  shown.valued = new Map(), shown.graded = nodes.map(() => [])   // when a value is known; when a gradient changes, and to what
  items.forEach((item, k) => {
    for (const part of partsOf(item)) {
      if (part.call !== undefined) shown.valued.set(calls[part.call].node, k)
      if (part.share !== undefined) shown.graded[shares[part.share].to].push([k, shares[part.share].total])
    }
  })
  shown.graded[data.y].unshift([turn(), data.seed])
  for (const box of shown.boxes) box.since = box.node === undefined ? items.findIndex(item => item.fold === box.fold) : shown.valued.get(box.node) ?? 0
  items.forEach((item, k) => partsOf(item).forEach(part => { if (part.share !== undefined) sentAlong(part.share).sent ??= k }))
  paintGraph()
  byId("at").max = items.length - 1
  byId("folding").hidden = !folds.length
  byId("folding").textContent = open.size < folds.length ? "unfold loops" : "fold loops"
  const halves = byId("graph").ownerDocument.querySelectorAll(".passes span")
  halves[0].style.flex = turn(), halves[1].style.flex = items.length - 1 - turn()
  if (!now) return go(0)
  const same = part => part.call === now.call && part.share === now.share
  const found = now.call === undefined && now.share === undefined ? items.findIndex(item => item.kind === kind) : items.findIndex(item => partsOf(item).some(same))
  go(Math.max(0, found))
}

function totalAt(n, k) {                          // the gradient so far, as a picture, or nothing
  let found
  for (const [time, total] of shown.graded[n]) if (time <= k) found = total
  return found
}

// --- Walking ----------------------------------------------------------------------------------------------------------

function go(k, travel = false) {
  at = Math.max(0, Math.min(items.length - 1, k))
  const item = items[at], t = turn(), name = y.name
  clearTimeout(journey)
  byId("at").value = at
  byId("count").textContent = at === 0 ? "given" : at < t ? `forward ${at} / ${t - 1}` : at === t ? "the turn" : at < items.length - 1 ? `backward ${at - t} / ${items.length - 2 - t}` : "done"
  byId("at").setAttribute("aria-valuetext", byId("count").textContent)
  byId("back").disabled = byId("first").disabled = at === 0
  byId("next").disabled = byId("last").disabled = at === items.length - 1
  byId("card").className = at <= t ? "forward" : "backward"
  byId("card").replaceChildren(...card(item))
  byId("say").textContent = `${byId("count").textContent}: ${[...byId("card").querySelectorAll(".rule, .what, .done")].map(e => e.textContent).join(". ")}`
  refresh(travel)
}

function play(on) {
  clearTimeout(timer), timer = 0
  if (on && at === items.length - 1) go(0)
  if (on) timer = setTimeout(() => { go(at + 1, true); play(at < items.length - 1) }, 1100 * Number(byId("speed").value))
  byId("play").textContent = on ? "pause" : "play"
}

function visit(box) {                             // a click on a node: where it got its value, or on the way back its gradient
  play(false)
  if (box.fold !== undefined) return unfold(box.fold)
  const n = box.node, t = turn(), received = shown.graded[n].filter(([time]) => time > t)
  const sends = items.findIndex(item => partsOf(item).some(part => part.share !== undefined && shares[part.share].call === n))
  if (at <= t) return go(shown.valued.get(n) ?? 0)
  go(nodes[n].kind === "call" && sends >= 0 ? sends : received.length ? received.at(-1)[0] : 0)
}

function unfold(f) {
  open.add(f), rebuild()
}

byId("at").oninput = () => { play(false); go(Number(byId("at").value)) }
const press = { first: () => go(0), back: () => go(at - 1), next: () => go(at + 1, true), last: () => go(items.length - 1) }
for (const [id, act] of Object.entries(press)) byId(id).onclick = () => { play(false); act() }
byId("play").onclick = () => play(!timer)
byId("folding").onclick = () => { open.size < folds.length ? folds.forEach((_, f) => open.add(f)) : open.clear(); rebuild() }
addEventListener("keydown", event => {
  const act = { ArrowRight: press.next, ArrowLeft: press.back, Home: press.first, End: press.last, " ": () => play(!timer) }[event.key]
  const own = event.target.closest?.("select, summary, #nudge") || (event.key === " " && event.target.closest?.("button, .node"))
  if (!act || own || event.altKey || event.ctrlKey || event.metaKey) return
  event.preventDefault()
  if (event.key !== " ") play(false)
  act()
})
