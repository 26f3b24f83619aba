"use strict"
// Where the nodes of a graph stand (Sugiyama, Tagawa and Toda 1981): each below what it was made from, few crossings,
// each as close to under its neighbours as the others allow. Edges over many layers run along lanes at the left.
//
// layout(nodes, edges): nodes [{width, height, late}], oldest first, and edges [{from, to}], by place. Nodes that are
// `late` (leaves) stand just above their first use. Gives every node x, y (its centre), every edge a path.

const BETWEEN = 26, LAYERS = 46, FAR = 5, LANE = 11

function layout(nodes, edges) {
  const inputs = nodes.map(() => []), uses = nodes.map(() => [])
  for (const edge of edges) inputs[edge.to].push(edge), uses[edge.from].push(edge)
  nodes.forEach((node, i) => { node.layer = node.late ? 0 : 1 + Math.max(-1, ...inputs[i].map(e => nodes[e.from].late ? 0 : nodes[e.from].layer)) })
  for (let i = nodes.length - 1; i >= 0; i--)     // a call on leaves alone is made when it is needed
    if (!nodes[i].late && uses[i].length && inputs[i].every(e => nodes[e.from].late)) nodes[i].layer = Math.min(...uses[i].map(e => nodes[e.to].layer)) - 1
  nodes.forEach((node, i) => { if (node.late && uses[i].length) node.layer = Math.min(...uses[i].map(e => nodes[e.to].layer)) - 1 })
  const lowest = Math.min(...nodes.map(node => node.layer))
  for (const node of nodes) node.layer -= lowest

  // Edges over a few layers get a point in each: they take part in the ordering as thin nodes.
  const all = [...nodes], above = nodes.map(() => []), below = nodes.map(() => [])
  const far = new Set(edges.filter(e => nodes[e.to].layer - nodes[e.from].layer > FAR).map(e => e.from))
  for (const edge of edges) {
    const span = nodes[edge.to].layer - nodes[edge.from].layer
    edge.lane = span > 1 && far.has(edge.from)
    edge.points = []
    if (edge.lane) continue
    let last = edge.from
    for (let k = 1; k <= span; k++) {
      let next = edge.to
      if (k < span) {
        next = all.push({ width: 8, height: 0, layer: nodes[edge.from].layer + k, thin: true }) - 1
        above.push([]), below.push([]), edge.points.push(next)
      }
      below[last].push(next), above[next].push(last)
      last = next
    }
  }
  const layers = []
  all.forEach((node, i) => (layers[node.layer] ??= []).push(i))
  for (let k = 0; k < layers.length; k++) layers[k] ??= []

  const place = new Float64Array(all.length)
  const settle = layer => layer.forEach((i, k) => { place[i] = k })
  layers.forEach(settle)
  const middle = (i, near) => near[i].length ? near[i].reduce((sum, j) => sum + place[j], 0) / near[i].length : place[i]
  for (let sweep = 0; sweep < 8; sweep++) {
    const near = sweep % 2 ? below : above
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      const want = new Map(layer.map(i => [i, middle(i, near)]))
      layer.sort((i, j) => want.get(i) - want.get(j)), settle(layer)
    }
  }

  for (const layer of layers) {
    let x = 0
    for (const i of layer) all[i].x = x + all[i].width / 2, x += all[i].width + BETWEEN
    for (const i of layer) all[i].x -= x / 2
  }
  for (let sweep = 0; sweep < 16; sweep++)
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) spread(layer, all, i => {
      const near = [...above[i], ...below[i]], pull = j => all[i].thin && all[j].thin ? 8 : 1  // long edges run straight
      return near.length ? near.reduce((sum, j) => sum + pull(j) * all[j].x, 0) / near.reduce((sum, j) => sum + pull(j), 0) : all[i].x
    })

  let y = 0
  for (const layer of layers) {
    const height = Math.max(0, ...layer.map(i => all[i].height))
    for (const i of layer) all[i].y = y + height / 2
    y += height + LAYERS
  }

  // One lane a source: a weight that is used at every step is one line with a tap for each use.
  const left = Math.min(...all.map(node => node.x - node.width / 2)), lanes = [], laneOf = new Map()
  for (const edge of edges) if (edge.lane) laneOf.set(edge.from, Math.max(laneOf.get(edge.from) ?? 0, nodes[edge.to].y))
  for (const [from, end] of [...laneOf].sort((a, b) => nodes[a[0]].y - nodes[b[0]].y)) {
    let k = lanes.findIndex(taken => taken < nodes[from].y)
    if (k < 0) k = lanes.length
    lanes[k] = end
    laneOf.set(from, left - 24 - LANE * k)
  }
  for (let i = 0; i < nodes.length; i++) inputs[i].sort((a, b) => entry(a) - entry(b) || (a.arg ?? 0) - (b.arg ?? 0))
  function entry(edge) { return edge.lane ? -1e9 : all[edge.points.at(-1) ?? edge.from].x }
  for (const edge of edges) {
    const from = nodes[edge.from], to = nodes[edge.to], k = inputs[edge.to].indexOf(edge), n = inputs[edge.to].length
    const end = [to.x + (n > 1 ? (k / (n - 1) - 0.5) * Math.min(to.width * 0.6, 46 * (n - 1)) : 0), to.y - to.height / 2]
    const start = [from.x, from.y + from.height / 2]
    if (edge.lane) {
      const x = laneOf.get(edge.from), top = start[1] + 10, low = end[1] - LAYERS / 2
      edge.tap = [end[0] - 16, low - 4]
      edge.path = `M${start} C${start[0]},${top + 12} ${x},${top} ${x},${top + 34} L${x},${low - 14} Q${x},${low} ${x + 14},${low} L${end[0] - 14},${low} Q${end[0]},${low} ${end[0]},${low + 12} L${end}`
    } else edge.path = curve([start, ...edge.points.map(i => [all[i].x, all[i].y]), end])
  }
  const right = Math.max(...nodes.map(node => node.x + node.width / 2))
  return { left: left - 34 - LANE * lanes.length, top: -12, width: right - left + 54 + LANE * lanes.length, height: y - LAYERS + 24 }
}

function spread(layer, all, wish) {              // as near to their wishes as widths allow: least squares, by pooling
  const blocks = []
  let offset = 0
  layer.forEach((i, k) => {
    if (k) offset += (all[layer[k - 1]].width + all[i].width) / 2 + BETWEEN
    let block = { sum: (wish(i) - offset) * (all[i].thin ? 4 : 1), weight: all[i].thin ? 4 : 1, members: [[i, offset]] }
    while (blocks.length && blocks.at(-1).sum / blocks.at(-1).weight > block.sum / block.weight) {
      const before = blocks.pop()
      block = { sum: before.sum + block.sum, weight: before.weight + block.weight, members: [...before.members, ...block.members] }
    }
    blocks.push(block)
  })
  for (const { sum, weight, members } of blocks) for (const [i, shift] of members) all[i].x = sum / weight + shift
}

function curve(points) {                         // upright at each point
  let path = `M${points[0]}`
  for (let k = 1; k < points.length; k++) {
    const [x, y] = points[k - 1], [u, v] = points[k], half = (v - y) / 2
    path += ` C${x},${y + half} ${u},${v - half} ${u},${v}`
  }
  return path
}
