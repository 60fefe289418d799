// Every figure has a name and a button to all that it offers: its values as a table, to be read, copied and saved as CSV, and
// itself as PNG and SVG. All of it is made from what the browser has drawn, on demand.
window.halfmapFigures = (() => {
  const HIDDEN = new Set(['align', 'shift', 'alpha', 'color', 'label_y', 'y0', 'y1'])
  const PICTURES = /^Image/
  // More is not drawn as a table, but copied and saved.
  const MOST_ROWS = 1000, MOST_COLUMNS = 60
  // Seen while the pointer or the keyboard is on the figure, and always where there is no pointer that hovers.
  const OFFERS_LOOK = `.halfmap-offers { position: absolute; left: 1px; bottom: 1px; width: 26px; height: 24px; padding: 0; z-index: 2;
    cursor: pointer; border: 1px solid var(--line); border-radius: 6px; background: var(--card); color: var(--ink); font: inherit; }
    .halfmap-offers:focus-visible { outline: 2px solid var(--accent); }
    @media (hover: hover) { :host(:not(:hover, :focus-within)) .halfmap-offers { opacity: 0; } }`

  const plain = (data) => (data instanceof Map ? Object.fromEntries(data) : data)
  const isText = (value) => typeof value === 'string'
  const isScalar = (value) => value === null || typeof value !== 'object'

  function axisLabel(figure, side) {
    const axis = figure[side].find((one) => one.axis_label)
    return axis ? String(axis.axis_label) : ''
  }

  // What the legend calls each renderer.
  function legendNames(figure) {
    const names = new Map()
    for (const one of [...figure.center, ...figure.right, ...figure.above]) {
      if (one.type !== 'Legend') continue
      for (const item of one.items) for (const renderer of item.renderers) {
        const label = item.label && (item.label.value ?? item.label)
        if (isText(label)) names.set(renderer, label)
      }
    }
    return names
  }

  // Each source once, with its name; lines of several points become a row for each point.
  function sources(figure) {
    const names = legendNames(figure)
    const found = new Map()
    for (const renderer of figure.renderers) {
      const source = renderer.data_source
      if (!source || PICTURES.test(renderer.glyph.type) || found.has(source)) continue
      const data = plain(source.data)
      const columns = {}
      const lines = Object.keys(data).filter((key) => Array.from(data[key]).some((one) => !isScalar(one)))
      const keys = Object.keys(data).filter((key) => !HIDDEN.has(key))
      for (const key of keys) {
        const values = Array.from(data[key])
        columns[key] = lines.length
          ? values.flatMap((one, n) => (isScalar(one) ? Array.from(data[lines[0]][n], () => one) : Array.from(one)))
          : values
      }
      const length = keys.length ? columns[keys[0]].length : 0
      if (length) found.set(source, { name: names.get(renderer) || source.name || '', columns, length })
    }
    return [...found.values()]
  }

  // A picture's values: a row for each of its lines, from the bottom up as it is drawn.
  const hex = (value) => `#${[value, value >> 8, value >> 16].map((one) => (one & 255).toString(16).padStart(2, '0')).join('')}`
  function pictures(figure) {
    const made = []
    for (const renderer of figure.renderers) {
      if (!renderer.data_source || !PICTURES.test(renderer.glyph.type) || !renderer.visible) continue
      const image = Array.from(plain(renderer.data_source.data).image || [])[0]
      if (!image) continue
      const [height, width] = image.shape || [image.length, image[0].length]
      const shown = renderer.glyph.type === 'ImageRGBA' ? hex : (value) => value
      const at = (y, x) => shown(image.shape ? image[y * width + x] : image[y][x])
      const columns = [Array.from({ length: height }, (_, y) => y)]
      for (let x = 0; x < width; x += 1) columns.push(Array.from({ length: height }, (_, y) => at(y, x)))
      made.push({ name: renderer.data_source.name || figure.name, heads: ['row', ...columns.slice(1).map((_, x) => x)], columns })
    }
    return made
  }

  // Tables: sources over the same x stand side by side.
  function tables(figure) {
    const x = axisLabel(figure, 'below'), y = axisLabel(figure, 'left')
    const made = new Map()
    for (const { name, columns, length } of sources(figure)) {
      const key = columns.x ? `${length} ${columns.x.join()}` : Symbol(name)
      const table = made.get(key) || { name, heads: [], columns: [] }
      made.set(key, table)
      const others = Object.keys(columns).filter((one) => one !== 'x' && one !== 'xs')
      for (const column of Object.keys(columns)) {
        const isX = column === 'x' || column === 'xs'
        const isValue = column === 'y' || column === 'ys'
        let head = isX ? x || 'x' : isValue ? name || y : column === 'A' ? 'd' : column.replaceAll('_', ' ')
        if (isValue && name && others.length === 1 && y && name !== y) head = `${name}, ${y}`
        if (table.heads.includes(head) && (isX || column === 'A')) continue
        table.heads.push(head)
        table.columns.push(columns[column])
      }
    }
    return [...pictures(figure), ...[...made.values()].filter((table) => table.columns.length)]
  }

  const cell = (value) => (value === null || value === undefined || Number.isNaN(value) ? '' : String(value))
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
  const lines = (table) => table.columns[0].map((_, n) => table.columns.map((column) => cell(column[n])))

  function asText(all, separator) {
    const wrap = separator === ',' ? quoted : (text) => text
    return all.map((table) => [table.heads, ...lines(table)]
      .map((row) => row.map(wrap).join(separator)).join('\n')).join('\n\n') + '\n'
  }

  function button(text, act) {
    const made = document.createElement('button')
    made.type = 'button'
    made.textContent = text
    made.onclick = () => act(made)
    return made
  }

  function save(name, blob) {
    const link = document.createElement('a')
    link.href = URL.createObjectURL(blob)
    link.download = name
    link.click()
    URL.revokeObjectURL(link.href)
  }

  function drawn(table) {
    const element = document.createElement('table')
    element.setAttribute('aria-label', table.name)
    const head = element.createTHead().insertRow()
    for (const text of table.heads.slice(0, MOST_COLUMNS)) {
      const th = document.createElement('th')
      th.scope = 'col'
      th.textContent = text
      head.append(th)
    }
    const body = element.createTBody()
    for (const values of lines(table).slice(0, MOST_ROWS)) {
      const row = body.insertRow()
      for (const value of values.slice(0, MOST_COLUMNS)) {
        const number = Number(value)
        row.insertCell().textContent = value === '' || Number.isNaN(number) ? value : String(Number(number.toPrecision(6)))
      }
    }
    return element
  }

  // What a saved picture or table is called: the figure's own name, behind that of the page where it does not say the job.
  function fileName(figure) {
    const name = figure.name || 'figure'
    const page = /job\d/.test(name) ? '' : `${document.title.replace(/ · Halfmap$/, '')}_`
    return `${page}${name}`.replace(/[^\p{L}\p{N}.-]+/gu, '_')
  }

  const views = () => (window.Bokeh?.index ? [...Bokeh.index.query((view) => view.model.type === 'Figure')] : [])
  const picture = (figure, kind) => views().find((view) => view.model === figure).export(kind).to_blob()
  const csv = (figure) => new Blob([asText(tables(figure), ',')], { type: 'text/csv' })

  function named(view) {
    const figure = view.model
    const name = (figure.name || 'figure').replaceAll('_', ' ')
    const y = axisLabel(figure, 'left'), x = axisLabel(figure, 'below')
    view.el.setAttribute('role', 'figure')
    view.el.setAttribute('aria-label', [name, y && x ? `${y} by ${x}` : ''].filter(Boolean).join(': '))
    if (view.shadow_el.querySelector('.halfmap-offers')) return
    const offers = button('⋯', () => open(figure))
    offers.className = 'halfmap-offers'
    offers.title = 'Values, CSV, PNG, SVG'
    offers.setAttribute('aria-label', `Values and pictures of ${name}`)
    const look = document.createElement('style')
    look.textContent = OFFERS_LOOK
    view.shadow_el.append(look, offers)
    const ring = document.createElement('style')
    ring.textContent = '.bk-events:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px }'
    view.canvas_view.shadow_el.append(ring)
  }
  setInterval(() => { if (!document.hidden) views().forEach(named) }, 500)

  function open(figure) {
    const all = tables(figure)
    const name = figure.name || 'figure'
    const dialog = document.createElement('dialog')
    dialog.className = 'figure-table'
    dialog.setAttribute('aria-label', `Values of ${name}`)
    const tools = document.createElement('div')
    tools.className = 'table-tools'
    const title = document.createElement('span')
    title.textContent = name.replaceAll('_', ' ')
    tools.append(
      title,
      button('Copy as TSV', async (made) => {
        await navigator.clipboard.writeText(asText(all, '\t'))
        made.textContent = 'Copied'
      }),
      button('Save as CSV', () => save(`${fileName(figure)}.csv`, csv(figure))),
      button('Save as PNG', async () => save(`${fileName(figure)}.png`, await picture(figure, 'png'))),
      button('Save as SVG', async () => save(`${fileName(figure)}.svg`, await picture(figure, 'svg'))),
      button('Close', () => dialog.close()),
    )
    const scroll = document.createElement('div')
    scroll.className = 'table-scroll'
    scroll.tabIndex = 0
    if (all.length) scroll.append(...all.map(drawn))
    else scroll.textContent = 'This figure has no values to list.'
    dialog.append(tools, scroll)
    dialog.addEventListener('close', () => dialog.remove())
    document.body.append(dialog)
    dialog.showModal()
  }

  return { open, tables, views, picture, csv, fileName }
})()
