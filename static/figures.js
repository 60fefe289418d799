// The values of a figure as a table, to be read, copied and saved: made from what the browser has drawn, on demand.
window.halfmapFigures = (() => {
  const HIDDEN = new Set(['align', 'shift', 'alpha', 'color', 'label_y', 'y0', 'y1'])
  const PICTURES = /^Image/

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
    return [...made.values()].filter((table) => table.columns.length)
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

  function save(name, text) {
    const link = document.createElement('a')
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv' }))
    link.download = `${name}.csv`
    link.click()
    URL.revokeObjectURL(link.href)
  }

  function drawn(table) {
    const element = document.createElement('table')
    element.setAttribute('aria-label', table.name)
    const head = element.createTHead().insertRow()
    for (const text of table.heads) {
      const th = document.createElement('th')
      th.scope = 'col'
      th.textContent = text
      head.append(th)
    }
    const body = element.createTBody()
    for (const values of lines(table)) {
      const row = body.insertRow()
      for (const value of values) {
        const number = Number(value)
        row.insertCell().textContent = value === '' || Number.isNaN(number) ? value : String(Number(number.toPrecision(6)))
      }
    }
    return element
  }

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
      button('Save as CSV', () => save(name, asText(all, ','))),
      button('Close', () => dialog.close()),
    )
    const scroll = document.createElement('div')
    scroll.className = 'table-scroll'
    if (all.length) scroll.append(...all.map(drawn))
    else scroll.textContent = 'This figure has no values to list.'
    dialog.append(tools, scroll)
    dialog.addEventListener('close', () => dialog.remove())
    document.body.append(dialog)
    dialog.showModal()
  }

  return { open, tables }
})()
