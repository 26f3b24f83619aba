// What the tests ask of the page: each function walks, clicks or looks, and returns what a reader would see.
const texts = query => [...document.querySelectorAll(query)].map(e => e.textContent)

function read() {
  const figures = [...document.querySelectorAll("#card figure")].map(f => ({
    caption: f.querySelector("figcaption").textContent,
    rows: [...f.querySelectorAll("tr")].map(r => [...r.cells].map(c => Number(c.textContent.replaceAll("−", "-"))))
  }))
  return {
    count: texts("#count")[0], heads: texts("#card h2"), what: texts("#card .what"), rule: texts("#card .rule"),
    done: texts("#card .done"), figures
  }
}

const everyStep = () => items.map((_, k) => (go(k), read()))

function everyStepFoldedAndNot() {
  const folded = everyStep()
  open.add(0)
  rebuild()
  return [folded, everyStep()]
}

const press_ = (name, on = document.body) => on.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }))
const click = on => on.dispatchEvent(new MouseEvent("click"))
const nodeOf = name => shown.boxes.find(box => nodes[box.node]?.name === name).group

function walk() {
  const seen = [], then = act => { act(); seen.push(read().count) }
  then(() => 0)
  for (const name of ["ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowRight", "Home"]) then(() => press_(name))
  then(() => byId("next").click())
  then(() => { byId("at").value = turn(); byId("at").dispatchEvent(new Event("input")) })
  then(() => click(nodeOf("h")))                  // where it got its value
  then(() => byId("last").click())
  then(() => click(nodeOf("h")))                  // where it passes its gradient on
  then(() => press_("Enter", nodeOf("W")))        // its last share
  const { call, arg } = shares[0]
  then(() => click(shown.edges[shown.edgeOf.get(`${call}.${arg}`)].line))
  const roles = shown.boxes.map(({ group }) => ["role", "tabindex", "aria-label"].map(key => group.getAttribute(key)))
  const controls = [...document.querySelectorAll("button, input, select")]
  const unnamed = controls.filter(e => !e.textContent.trim() && !e.getAttribute("aria-label")).length
  return { seen, roles, unnamed, said: texts("#say")[0] }
}

function playThrough() {
  const travelled = new Set(), out = document.body.appendChild(document.createElement("pre"))
  const look = () => { if (shown.traveller.getAttribute("visibility") === "visible") travelled.add(at) }
  new MutationObserver(look).observe(byId("graph"), { attributes: true, subtree: true })
  out.id = "later"
  byId("speed").value = "0.2"
  press_(" ")
  setInterval(() => {
    const label = byId("play").textContent
    out.textContent = JSON.stringify({ at, last: items.length - 1, travelled: [...travelled], label })
  }, 100)
  return turn()
}

function foldAndUnfold() {
  const count = () => [document.querySelectorAll(".node").length, items.length]
  const first = s => s.use[0] === 1 && nodes[s.to].name === "W"
  go(items.findIndex(item => item.kind === "share" && first(shares[item.share])))
  const folded = count(), before = texts("#card .what")[0]
  click(document.querySelector(".node.fold"))
  const unfolded = count(), label = byId("folding").textContent, same = before === texts("#card .what")[0]
  const near = (a, b, side, size) => Math.abs(a[side] - b[side]) < (a[size] + b[size]) / 2
  const meet = (a, b) => near(a, b, "x", "width") && near(a, b, "y", "height")
  const overlap = shown.boxes.some((a, i) => shown.boxes.some((b, j) => i < j && meet(a, b)))
  const down = shown.edges.every(edge => shown.boxes[edge.from].y < shown.boxes[edge.to].y)
  byId("folding").click()
  return { folded, unfolded, label, same, overlap, down, again: count() }
}

function nudgeTo(k) {
  byId("by").value = k
  byId("by").dispatchEvent(new Event("input"))
  return [byId("said").textContent, document.querySelectorAll("#plot .tangent").length]
}

function look() {
  go(turn() + 2)
  const light = colour => { const [r, g, b] = colour.match(/[\d.]+/g).map(Number); return 0.21 * r + 0.72 * g + 0.07 * b }
  const style = getComputedStyle(document.body), wide = document.documentElement.scrollWidth - innerWidth
  const requests = performance.getEntriesByType("resource").length
  return { wide, inner: innerWidth, requests, ground: light(style.backgroundColor), ink: light(style.color) }
}

function onPaper() {                               // both passes are done, and afterwards the walk is where it was
  go(2)
  dispatchEvent(new Event("beforeprint"))
  const gradients = shown.boxes.filter(box => box.kind === "leaf").map(box => box.texts[1].textContent)
  const printed = at === items.length - 1
  dispatchEvent(new Event("afterprint"))
  return { gradients, printed, back: at, slider: byId("at").getAttribute("aria-valuetext") }
}

function notebookOutputs() {                       // a page of outputs, in which the frames are the pages of explain()
  const probes = ["h1", "td", "button"].map(query => getComputedStyle(document.querySelector(query)).color)
  const frames = [...document.querySelectorAll("iframe")].map(frame => {
    const inner = frame.contentWindow, page = frame.contentDocument, count = () => page.getElementById("count").textContent
    const first = count()
    page.getElementById("at").value = 6
    page.getElementById("at").dispatchEvent(new inner.Event("input"))
    const wide = page.documentElement.scrollWidth - inner.innerWidth
    return { nodes: page.querySelectorAll(".node").length, wide, counts: [first, count()] }
  })
  return { probes, frames, pictures: [...document.querySelectorAll("img")].map(i => [i.naturalWidth, i.naturalHeight]) }
}
