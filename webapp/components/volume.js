// Isosurfaces of maps with NGL, which is loaded once per page from our own server.
function script(url) {
  window.halfmapScripts = window.halfmapScripts || {}
  if (!window.halfmapScripts[url]) {
    window.halfmapScripts[url] = new Promise((done, failed) => {
      const tag = document.createElement('script')
      tag.src = url
      tag.onload = done
      tag.onerror = () => failed(new Error('the viewer could not be loaded'))
      document.head.append(tag)
    })
  }
  return window.halfmapScripts[url]
}

function hasWebGL() {
  try {
    const canvas = document.createElement('canvas')
    return Boolean(canvas.getContext('webgl2') || canvas.getContext('webgl'))
  } catch { return false }
}

// NGL listens on the whole document and takes only events whose target is its canvas. Inside a shadow root the
// document sees another target, so the canvas hands its events on itself.
function hearInShadow(stage) {
  const observer = stage.mouseObserver
  const canvas = stage.viewer.renderer.domElement
  const handlers = {
    wheel: '_onMousewheel', mousemove: '_onMousemove', mousedown: '_onMousedown', mouseup: '_onMouseup',
    contextmenu: '_onContextmenu', touchstart: '_onTouchstart', touchend: '_onTouchend', touchmove: '_onTouchmove',
  }
  for (const [kind, handler] of Object.entries(handlers)) {
    canvas.addEventListener(kind, (event) => {
      observer[handler](event)
      event.stopPropagation()
    }, { passive: false })
  }
}

// Cameras of one group move together: they share the turn, the scale in Å, and the place relative to each map's middle.
function linkCamera(name, stage) {
  window.halfmapCameras = window.halfmapCameras || new Map()
  const group = window.halfmapCameras.get(name) || { stages: new Map(), isMoving: false }
  window.halfmapCameras.set(name, group)

  function bring(from, to) {
    const camera = from.viewerControls.getOrientation(), here = group.stages.get(from), there = group.stages.get(to)
    const axes = ['x', 'y', 'z']
    axes.forEach((axis, n) => { camera.elements[12 + n] += here[axis] - there[axis] })
    to.viewerControls.orient(camera)
  }
  function follow() {
    if (group.isMoving) return
    group.isMoving = true
    for (const other of group.stages.keys()) if (other !== stage) bring(stage, other)
    group.isMoving = false
  }
  const [first] = group.stages.keys()
  group.stages.set(stage, stage.compList[0].object.center.clone())  // of the map: its surface's moves with the level
  if (first) bring(first, stage)
  stage.viewerControls.signals.changed.add(follow)
  return () => {
    group.stages.delete(stage)
    if (!group.stages.size) window.halfmapCameras.delete(name)
  }
}

// The level of a map's surface, in its own σ: half of the way from the solvent, its most frequent density, to the inside of
// the molecule, which is the mean of all above that level. A blurred edge passes there (compute/signal/threshold.py).
const BINS = 1024
function suggested(volume) {
  const data = volume.data, { min, max } = volume
  if (!(max > min)) return 0
  const counts = new Float64Array(BINS), width = (max - min) / BINS
  for (let n = 0; n < data.length; n += 1) counts[Math.min(BINS - 1, Math.floor((data[n] - min) / width))] += 1
  const at = (bin) => min + (bin + 0.5) * width
  const around = (bin) => [-2, -1, 0, 1, 2].map((aside) => bin + aside).filter((one) => one >= 0 && one < BINS)
  const sum = (bins, of) => bins.reduce((total, bin) => total + of(bin), 0)
  let peak = 0, most = -1
  for (let bin = 0; bin < BINS; bin += 1) {
    const here = sum(around(bin), (one) => counts[one])
    if (here > most) [peak, most] = [bin, here]
  }
  const near = around(peak)
  const solvent = sum(near, (bin) => counts[bin] * at(bin)) / sum(near, (bin) => counts[bin])

  let molecule = max
  for (let round = 0; round < 200; round += 1) {
    let number = 0, total = 0
    for (let bin = BINS - 1; bin >= 0 && at(bin) >= (solvent + molecule) / 2; bin -= 1) {
      number += counts[bin]
      total += counts[bin] * at(bin)
    }
    const mean = number ? total / number : molecule
    if (Math.abs(mean - molecule) <= 1e-9 * Math.abs(molecule - solvent)) break
    molecule = mean
  }
  const level = ((solvent + molecule) / 2 - volume.mean) / volume.rms
  return Math.round(10 * level) / 10
}

export function render({ model, el }) {
  const box = document.createElement('div')
  box.className = 'volume-box'
  box.style.height = `${model.view_height}px`
  const note = document.createElement('p')
  note.className = 'volume-note'
  note.setAttribute('role', 'status')
  box.append(note)
  el.append(box)
  if (!hasWebGL()) {
    note.textContent = 'This browser has no WebGL: the slices show the map instead.'
    model.state = 'no WebGL'
    return
  }
  let stage = null
  let surfaces = []
  let generation = 0
  let unlink = () => {}

  // A surface in one colour, or in those of another map's values at its places.
  function draw(entry, component, tint) {
    const tinted = tint ? {
      colorScheme: 'volume', colorVolume: tint.volume, colorScale: entry.scale, colorDomain: entry.domain, colorMode: 'rgb',
    } : { color: entry.color }
    return component.addRepresentation('surface', {
      isolevelType: 'sigma', isolevel: model.level || suggested(component.object), ...tinted,
      opacity: entry.opacity ?? 1, smooth: 1, side: 'double', useWorker: false,
      contour: Boolean(entry.is_mesh), depthWrite: (entry.opacity ?? 1) >= 1,
      metalness: 0.0, roughness: 0.55,
    })
  }

  async function load() {
    const mine = ++generation
    note.textContent = model.maps.length ? 'Loading the map …' : 'There is no map yet.'
    model.state = 'loading'
    if (!model.maps.length) return
    try {
      await script(model.script)
      if (!stage) {
        stage = new window.NGL.Stage(box, { backgroundColor: model.backdrop, quality: 'medium' })
        hearInShadow(stage)
        const look = new ResizeObserver(() => stage && stage.handleResize())
        look.observe(box)
        model.on('remove', () => { look.disconnect(); unlink(); stage.dispose(); stage = null })
      }
      const loaded = []
      for (const entry of model.maps) {
        const options = { ext: 'mrc', useWorker: false }
        const component = await stage.loadFile(entry.url, { ...options, name: entry.name })
        const tint = entry.tint_url ? await stage.loadFile(entry.tint_url, { ...options, name: 'colours' }) : null
        loaded.push([entry, component, tint])
      }
      if (mine !== generation) {
        loaded.forEach(([, ...components]) => components.forEach((one) => one && stage.removeComponent(one)))
        return
      }
      const isFirst = surfaces.length === 0
      surfaces.forEach(({ component, tint }) => [component, tint].forEach((one) => one && stage.removeComponent(one)))
      surfaces = loaded.map(([entry, component, tint]) => ({ component, tint, surface: draw(entry, component, tint) }))
      model.suggested = suggested(surfaces[0].component.object)
      stage.tasks.onZeroOnce(() => {
        if (mine !== generation || !stage) return
        if (isFirst) { stage.autoView(); stage.viewerControls.zoom(0.15) }
        if (isFirst && model.camera_group) unlink = linkCamera(model.camera_group, stage)
        note.textContent = ''
        model.state = `shown ${model.maps.map((entry) => entry.name).join(', ')}`
      })
    } catch (error) {
      note.textContent = `The map could not be shown: ${error.message || error}`
      model.state = 'failed'
    }
  }

  model.on('maps', load)
  model.on('level', () => surfaces.forEach(({ component, surface }) =>
    surface.setParameters({ isolevel: model.level || suggested(component.object) })))
  model.on('backdrop', () => stage && stage.setParameters({ backgroundColor: model.backdrop }))
  model.on('spin', () => stage && stage.setSpin(model.spin))
  model.on('center', () => stage && stage.autoView(400))
  model.on('snapshot', async () => {
    if (!stage) return
    const picture = await stage.makeImage({ factor: 2, antialias: true, trim: false, transparent: false })
    const link = document.createElement('a')
    link.href = URL.createObjectURL(picture)
    link.download = `${model.file_name}.png`
    link.click()
    URL.revokeObjectURL(link.href)
  })
  Object.defineProperty(box, 'stage', { get: () => stage })
  model.on('after_render', load)
  if (model.maps.length === 0) load()
}
