// The graph as SVG, and how it changes with each step.
const LETTER = 7.85                               // the width of one, at 13 px
let scale = 0

function paintGraph() {
  const svg = byId("graph"), { boxes, edges } = shown
  for (const box of boxes) {
    const node = nodes[box.node]
    if (box.fold !== undefined) {
      const { rounds, period } = folds[box.fold]
      box.lines = [`⋯ ${rounds} × ${plural(period, "call")}`, "unfold"], box.kind = "fold", box.height = 44
    } else {
      box.kind = node.kind, box.height = node.kind === "constant" ? 44 : 64
      box.lines = [short(node.text ? `${node.name} = ${node.text}` : node.name)]
    }
    const room = k => brief(k).length || shapeOf(k).length + 6
    const rows = node ? [room(node.value), ...shown.graded[box.node].map(([, total]) => room(total) + 2)] : []
    const widest = Math.max(...box.lines.map(line => line.length), ...rows)
    box.width = Math.max(96, widest * LETTER + 22), box.late = box.kind !== "call" && box.kind !== "fold"
  }
  shown.order = order()
  const place = new Map(shown.order.map((k, i) => [k, i])), sorted = shown.order.map(k => boxes[k])
  shown.size = layout(sorted, edges.map(edge => (edge.moved = { from: place.get(edge.from), to: place.get(edge.to), arg: edge.arg })))
  edges.forEach(edge => { edge.path = edge.moved.path, edge.tap = edge.moved.tap })
  svg.replaceChildren()
  const lines = draw("g", {}, "", svg)
  for (const edge of edges) {
    edge.line = draw("path", { d: edge.path, class: "edge" }, "", lines)
    if (edge.tap) draw("text", { x: edge.tap[0], y: edge.tap[1], class: "quiet", "text-anchor": "end" }, boxes[edge.from].lines[0], lines)
    edge.line.onclick = () => { play(false); const k = items.findIndex(item => item.kind === "share" && shown.edgeOf.get(`${shares[item.share].call}.${shares[item.share].arg}`) === edges.indexOf(edge)); if (k >= 0) go(k) }
  }
  boxes.forEach(box => paintBox(box, svg))
  shown.traveller = draw("g", { id: "traveller", visibility: "hidden" }, "", svg)
  draw("circle", { r: 8 }, "", shown.traveller)
  fit(scale)
}

function order() {                                // boxes with each after what it was made from; folds count as calls
  const { boxes, edges } = shown, waiting = boxes.map(() => 0), after = boxes.map(() => []), found = []
  for (const { from, to } of edges) waiting[to]++, after[from].push(to)
  const ready = boxes.map((_, k) => k).filter(k => !waiting[k])
  for (let k = 0; k < ready.length; k++) {
    found.push(ready[k])
    for (const next of after[ready[k]]) if (!--waiting[next]) ready.push(next)
  }
  return found
}

const short = text => text.length <= 30 ? text : `${text.slice(0, 29)}…`

function paintBox(box, svg) {
  const g = box.group = draw("g", { class: `node ${box.kind}`, tabindex: 0, role: "button", transform: `translate(${box.x - box.width / 2} ${box.y - box.height / 2})` }, "", svg)
  draw("rect", { class: "box", width: box.width, height: box.height, rx: 7 }, "", g)
  const centre = (text, line, style) => draw("text", { x: box.width / 2, y: 18 + 19 * line, "text-anchor": "middle", class: style }, text, g)
  centre(box.lines[0], 0, "")
  if (box.kind === "fold") centre("unfold", 1, "quiet")
  box.rows = box.kind === "fold" ? [] : box.kind === "constant" ? ["value"] : ["value", "gradient"]
  box.texts = box.rows.map((style, k) => centre("", k + 1, style))
  if (nodes[box.node]) draw("title", {}, `${nodes[box.node].name}${nodes[box.node].text ? ` = ${nodes[box.node].text}` : ""}${nodes[box.node].source ? `\n${nodes[box.node].source}` : ""}`, g)
  g.onclick = () => visit(box)
  g.onkeydown = event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.stopPropagation(); visit(box) } }
}

const thumbs = new Map(), shapeOf = k => pictures[k].shape.replace(/\).*/, ")")

function setRow(box, k, picture) {                // a small array as numbers, a larger one as a small heat map with its shape
  if (box[`row${k}`] === picture) return
  box[`row${k}`] = picture
  box[`image${k}`]?.remove()
  const text = box.texts[k], words = picture === undefined ? "" : brief(picture), sign = k ? "∂ " : ""
  text.textContent = picture === undefined ? "" : words ? sign + words : sign
  text.setAttribute("x", box.width / 2)
  if (picture === undefined || words) return
  const shape = shapeOf(picture)
  if (!thumbs.has(picture)) thumbs.set(picture, paint(pictures[picture], 1).toDataURL())
  const wide = 44, left = (box.width - wide - 6 - (shape.length + sign.length) * LETTER) / 2
  text.textContent = sign + shape
  text.setAttribute("x", left + (sign.length + shape.length) * LETTER / 2)
  box[`image${k}`] = draw("image", { href: thumbs.get(picture), x: left + (shape.length + sign.length) * LETTER + 6, y: 6 + 19 * (k + 1), width: wide, height: 14, preserveAspectRatio: "none", style: "image-rendering: pixelated" }, "", box.group)
}

function refresh(travel) {                        // every node and edge as it is at this step
  const { boxes, edges, edgeOf, boxOf } = shown, item = items[at], back = at > turn()
  const moving = item.kind === "share" && travel && !still.matches
  const active = new Set(), lit = new Set()
  const lights = n => shown.within.has(n) ? boxOf.get(`fold${shown.within.get(n)}`) : boxOf.get(n)
  for (const part of partsOf(item)) {
    if (part.call !== undefined) { active.add(lights(calls[part.call].node)); for (const [arg] of calls[part.call].inputs) lit.add(edgeOf.get(`${calls[part.call].node}.${arg}`)) }
    if (part.share !== undefined) { const s = shares[part.share]; active.add(lights(s.to)), active.add(lights(s.call)), lit.add(edgeOf.get(`${s.call}.${s.arg}`)) }
  }
  if (item.kind === "turn") active.add(lights(data.y))
  boxes.forEach((box, k) => {
    const known = box.since <= at
    const total = box.node === undefined ? undefined : totalAt(box.node, moving && shares[item.share].to === box.node ? at - 1 : at)
    box.now = box.rows.length ? [known ? nodes[box.node].value : undefined, total] : []
    const style = `node ${box.kind} ${!known ? "waiting" : total !== undefined ? "graded" : "valued"} ${active.has(k) ? `now ${back ? "" : "forward"}` : ""}`
    if (box.style !== style) box.group.setAttribute("class", box.style = style)
    const said = box.fold !== undefined ? `${plural(folds[box.fold].rounds, "round")} of ${plural(folds[box.fold].period, "call")}, folded; press to unfold`
      : `${nodes[box.node].kind} ${nodes[box.node].name}${nodes[box.node].text ? ` = ${nodes[box.node].text}` : ""}, ${known ? `value ${spoken(nodes[box.node].value)}` : "no value yet"}${total === undefined ? "" : `, gradient so far ${spoken(total)}`}`
    if (box.said !== said) box.group.setAttribute("aria-label", box.said = said)
  })
  edges.forEach((edge, k) => {
    const value = boxes[edge.to].style.includes("waiting") ? "" : "valued"
    const style = `edge ${edge.sent <= at ? "graded" : value} ${lit.has(k) ? `now ${back ? "" : "forward"}` : ""}`
    if (edge.style !== style) edge.line.setAttribute("class", edge.style = style)
  })
  shown.traveller.setAttribute("visibility", "hidden")
  if (active.size) reveal([...active].map(k => boxes[k]), boxes[lights(item.share === undefined ? data.y : shares[item.share].call)], travel)
  fill()
  if (moving) journeyAlong(edges[edgeOf.get(`${shares[item.share].call}.${shares[item.share].arg}`)])
}

function fill(from = byId("pane").scrollTop) {    // the numbers and heat maps of the nodes in sight
  const pane = byId("pane"), top = from / shown.scale + shown.size.top - 200, bottom = top + pane.clientHeight / shown.scale + 400
  for (const box of shown.boxes) if (printing || (box.y > top && box.y < bottom)) box.rows.forEach((_, k) => setRow(box, k, box.now[k]))
}

function journeyAlong(edge) {                     // the share goes from the call to its argument, where it is added
  const length = edge.line.getTotalLength(), time = 550 * Math.min(1, Number(byId("speed").value)), began = performance.now()
  const move = () => {
    const way = Math.min(1, (performance.now() - began) / time), { x, y } = edge.line.getPointAtLength(length * (1 - way))
    shown.traveller.setAttribute("transform", `translate(${x} ${y})`)
    shown.traveller.setAttribute("visibility", "visible")
    if (way < 1) journey = setTimeout(move, 16)
    else refresh(false)
  }
  move()
}

function reveal(active, first, smooth) {                // scroll the pane, never the page; where not all fits, to the first
  const far = Math.max(...active.map(b => b.y)) - Math.min(...active.map(b => b.y)) > byId("pane").clientHeight / shown.scale - 70
  const boxes = far && active.includes(first) ? [first] : active
  const pane = byId("pane"), { left, top } = shown.size
  const spot = (low, high, from, room) => low >= from && high <= from + room ? from : (low + high - room) / 2
  const x = boxes.map(b => [b.x - b.width / 2 - left, b.x + b.width / 2 - left].map(v => v * shown.scale)).flat()
  const y = boxes.map(b => [b.y - b.height / 2 - top, b.y + b.height / 2 - top].map(v => v * shown.scale)).flat()
  const to = spot(Math.min(...y) - 10, Math.max(...y) + 10, pane.scrollTop, pane.clientHeight)
  fill(to)
  pane.scrollTo({
    left: spot(Math.min(...x) - 10, Math.max(...x) + 10, pane.scrollLeft, pane.clientWidth), behavior: smooth && !still.matches ? "smooth" : "auto",
    top: to
  })
}

function fit(wanted) {                            // as large as the pane's width allows, if that can be read
  const { left, top, width, height } = shown.size, svg = byId("graph")
  shown.scale = wanted || Math.max(0.7, Math.min(1, (byId("pane").clientWidth - 2) / width))
  svg.setAttribute("viewBox", `${left} ${top} ${width} ${height}`)
  svg.setAttribute("width", width * shown.scale), svg.setAttribute("height", height * shown.scale)
}

byId("larger").onclick = () => { scale = Math.min(2, shown.scale * 1.25); fit(scale) }
byId("smaller").onclick = () => { scale = Math.max(0.2, shown.scale / 1.25); fit(scale) }
addEventListener("resize", () => { fit(scale); fill() })
byId("pane").addEventListener("scroll", () => fill())
let printing = 0                                  // where the walk was, for on paper both passes are done
addEventListener("beforeprint", () => { printing = at || 1; go(items.length - 1); fill() })
addEventListener("afterprint", () => { const k = printing; printing = 0; go(k) })
