// A real HTML table: sorted by a click on its header, copied as tab-separated text, rows that can be chosen.
// What changes is written into the rows that stand: focus, scroll position, a selection of text and a click under way
// outlive every redraw.
function cellText(column, value) {
  if (value === null || value === undefined) return '–'
  if (typeof value === 'number' && column.digits !== undefined) return value.toFixed(column.digits)
  return String(value)
}

// The script of the page does what a click on a star asks for.
function star(place, isOn, about) {
  const button = document.createElement('button')
  button.type = 'button'; button.className = 'star'
  button.dataset.star = place
  button.setAttribute('aria-pressed', String(isOn))
  button.setAttribute('aria-label', `Star ${about}`)
  button.textContent = isOn ? '★' : '☆'
  return button
}

function cellContent(column, row) {
  const value = row[column.key]
  const text = column.text ? row[column.text] : cellText(column, value)
  if (column.kind === 'star') return [star(row[column.place], Boolean(value), row[column.about])]
  if (column.kind === 'tags') {
    return (value || []).map((one) => {
      const tag = document.createElement('span')
      tag.className = 'tag'
      tag.style.setProperty('--tag', one.colour === 'amber' ? '#ffbf00' : one.colour)
      tag.textContent = one.name
      return tag
    })
  }
  const link = column.link ? row[column.link] : null
  if (link) {
    const a = document.createElement('a')
    a.href = link; a.textContent = text
    if (column.download) a.setAttribute('download', '')
    return [a]
  }
  if (column.kind === 'status') {
    const chip = document.createElement('span')
    chip.className = `chip ${String(value).split(' ')[0]}`
    chip.textContent = text
    return [chip]
  }
  return [text]
}

// All that a cell is made from, to see whether it must be made anew.
function cellSource(column, row) {
  return JSON.stringify([column.link, column.place, column.about, column.text, column.key].map((key) => key && row[key]))
}

// What a row is recognised by: its first plain value, with a count where several have the same.
function identities(columns, rows) {
  const column = columns.find((one) => one.kind !== 'star' && one.kind !== 'tags')
  const seen = new Map()
  return rows.map((row) => {
    const name = column ? String(row[column.key]) : ''
    const count = seen.get(name) || 0
    seen.set(name, count + 1)
    return `${name}\n${count}`
  })
}

async function copy(button, text) {
  try { await navigator.clipboard.writeText(text) } catch {
    const area = document.createElement('textarea')
    area.value = text
    document.body.append(area); area.select(); document.execCommand('copy'); area.remove()
  }
  button.textContent = 'Copied'
  setTimeout(() => { button.textContent = 'Copy as TSV' }, 1500)
}

function save(name, text) {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/tab-separated-values' }))
  link.download = `${name || 'table'}.tsv`
  link.click()
  URL.revokeObjectURL(link.href)
}

function part(tag, className, ...content) {
  const made = document.createElement(tag)
  made.className = className
  made.append(...content)
  return made
}

function plainButton(text, onclick) {
  const button = document.createElement('button')
  button.type = 'button'; button.textContent = text; button.onclick = () => onclick(button)
  return button
}

export function render({ model, el }) {
  const count = part('span', '')
  const tools = part('div', 'table-tools', count,
    plainButton('Copy as TSV', (button) => copy(button, asText())), plainButton('Save', () => save(model.file_name, asText())))
  const empty = part('p', 'empty')
  const table = document.createElement('table')
  const head = table.createTHead().insertRow()
  const body = table.createTBody()
  const scroll = part('div', 'table-scroll', table)
  el.append(part('div', 'table-box', tools, empty, scroll))
  let order = { column: null, down: false }
  let lines = new Map()

  function sorted() {
    const found = JSON.parse(model.rows_text)
    const names = identities(model.columns, found)
    const rows = found.map((row, index) => ({ row, index, name: names[index] }))
    if (order.column === null || model.is_remote) return rows
    const key = model.columns[order.column].key
    const rank = (v) => (v === null || v === undefined ? null : v)
    rows.sort((a, b) => {
      const x = rank(a.row[key]), y = rank(b.row[key])
      if (x === null || y === null) return (x === null) - (y === null)
      const sign = x < y ? -1 : x > y ? 1 : 0
      return order.down ? -sign : sign
    })
    return rows
  }

  function asText() {
    const titles = model.columns.map((c) => (c.unit ? `${c.label} (${c.unit})` : c.label)).join('\t')
    const text = (column, value) => {
      if (column.kind === 'tags') return (value || []).map((one) => one.name).join(' ')
      return value === null || value === undefined ? '' : String(value)
    }
    const values = sorted().map(({ row }) => model.columns.map((c) => text(c, row[c.key])).join('\t'))
    return [titles, ...values].join('\n') + '\n'
  }

  function turn(n) {
    order = { column: n, down: order.column === n ? !order.down : false }
    if (model.is_remote) {
      model.is_down = order.down
      model.order_key = model.columns[n].key
    }
    markOrder()
    drawRows()
  }

  function drawHead() {
    head.replaceChildren(...model.columns.map((column, n) => {
      const th = part('th', column.kind || '')
      th.scope = 'col'
      if (column.help) th.title = column.help
      const button = plainButton(column.kind === 'star' ? '★' : column.label, () => turn(n))
      if (column.kind === 'star') button.setAttribute('aria-label', column.label)
      if (column.unit) {
        const unit = document.createElement('small'); unit.textContent = ` ${column.unit}`; button.append(unit)
      }
      button.append(document.createElement('span'))
      th.append(button)
      return th
    }))
    if (order.column !== null && !model.columns[order.column]) order = { column: null, down: false }
    markOrder()
  }

  function markOrder() {
    head.querySelectorAll('th').forEach((th, n) => {
      const isOrder = order.column === n
      th.setAttribute('aria-sort', isOrder ? (order.down ? 'descending' : 'ascending') : 'none')
      th.querySelector('button > span').textContent = isOrder ? (order.down ? ' ▾' : ' ▴') : ''
    })
  }

  function newLine() {
    const tr = document.createElement('tr')
    const line = { tr, sources: [], index: -1 }
    if (model.can_choose) {
      tr.tabIndex = 0
      tr.classList.add('can-choose')
      const choose = (event) => { if (event.target.tagName !== 'A') model.chosen = line.index }
      tr.onclick = choose
      tr.onkeydown = (event) => { if (event.key === 'Enter') choose(event) }
    }
    for (const column of model.columns) {
      const td = tr.insertCell()
      td.className = column.kind || ''
      td.dataset.key = column.key
    }
    return line
  }

  function fill(line, row, index) {
    line.index = index
    line.tr.dataset.index = index
    model.columns.forEach((column, n) => {
      const source = cellSource(column, row)
      if (line.sources[n] === source) return
      line.sources[n] = source
      line.tr.cells[n].replaceChildren(...cellContent(column, row))
    })
  }

  function drawRows() {
    const rows = sorted()
    const hasRows = rows.length > 0
    tools.hidden = !(model.has_tools && hasRows)
    empty.hidden = hasRows
    scroll.hidden = !hasRows
    const focused = focusedCell()
    const old = lines
    lines = new Map()
    for (const { row, index, name } of rows) {
      const line = old.get(name) || newLine()
      old.delete(name)
      fill(line, row, index)
      lines.set(name, line)
    }
    for (const line of old.values()) line.tr.remove()
    if (old.size && old.size === body.rows.length + old.size) scroll.scrollTop = 0  // other rows altogether
    rows.forEach(({ name }, n) => {
      const { tr } = lines.get(name)
      if (body.rows[n] !== tr) body.insertBefore(tr, body.rows[n] || null)
    })
    markChosen()
    if (focused) focusAgain(focused)
  }

  // Moving a row, or filling a cell anew, takes the focus from what is in it.
  function focusedCell() {
    const active = el.getRootNode().activeElement
    const tr = active && body.contains(active) ? active.closest('tr') : null
    const found = [...lines].find(([, line]) => line.tr === tr)
    if (!found) return null
    const td = active.closest('td')
    return { active, name: found[0], key: td ? td.dataset.key : null, tag: active.tagName }
  }

  function focusAgain({ active, name, key, tag }) {
    if (el.getRootNode().activeElement === active || !lines.has(name)) return
    const { tr } = lines.get(name)
    const target = key === null ? tr : tr.querySelector(`td[data-key="${key}"] ${tag}`)
    if (target) target.focus({ preventScroll: true })
  }

  function markChosen() {
    for (const { tr, index } of lines.values()) {
      tr.classList.toggle('chosen', index === model.chosen)
    }
  }

  function drawWords() {
    count.textContent = model.caption
    empty.textContent = model.empty
    if (model.scroll_height) scroll.style.maxHeight = `${model.scroll_height}px`
    if (model.caption) table.setAttribute('aria-label', model.caption)
  }

  function drawAll() {
    lines = new Map()
    body.replaceChildren()
    drawHead()
    drawRows()
  }

  model.on('rows_text', drawRows)
  model.on('columns', drawAll)
  model.on('chosen', markChosen)
  model.on(['caption', 'empty'], drawWords)
  drawWords()
  drawAll()
}
