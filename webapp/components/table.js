// A real HTML table: sorted by a click on its header, copied as tab-separated text, rows that can be chosen.
function cellText(column, value) {
  if (value === null || value === undefined) return '–'
  if (typeof value === 'number' && column.digits !== undefined) return value.toFixed(column.digits)
  return String(value)
}

export function render({ model, el }) {
  const box = document.createElement('div')
  box.className = 'table-box'
  el.append(box)
  let order = { column: null, down: false }

  function sorted() {
    const rows = model.rows.map((row, index) => ({ row, index }))
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
    const head = model.columns.map((c) => (c.unit ? `${c.label} (${c.unit})` : c.label)).join('\t')
    const body = sorted().map(({ row }) => model.columns.map((c) => {
      const value = row[c.key]
      if (column.kind === 'tags') return (value || []).map((one) => one.name).join(' ')
      return value === null || value === undefined ? '' : String(value)
    }).join('\t'))
    return [head, ...body].join('\n') + '\n'
  }

  async function copy(button) {
    const text = asText()
    try { await navigator.clipboard.writeText(text) } catch {
      const area = document.createElement('textarea')
      area.value = text
      document.body.append(area); area.select(); document.execCommand('copy'); area.remove()
    }
    button.textContent = 'Copied'
    setTimeout(() => { button.textContent = 'Copy as TSV' }, 1500)
  }

  function save() {
    const link = document.createElement('a')
    link.href = URL.createObjectURL(new Blob([asText()], { type: 'text/tab-separated-values' }))
    link.download = `${model.file_name || 'table'}.tsv`
    link.click()
    URL.revokeObjectURL(link.href)
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

  function cell(column, row) {
    const td = document.createElement('td')
    td.className = column.kind || ''
    td.dataset.key = column.key
    const value = row[column.key]
    const text = cellText(column, value)
    if (column.kind === 'star') {
      td.append(star(row[column.place], Boolean(value), row[column.about]))
      return td
    }
    if (column.kind === 'tags') {
      for (const one of value || []) {
        const tag = document.createElement('span')
        tag.className = 'tag'
        tag.style.setProperty('--tag', one.colour === 'amber' ? '#ffbf00' : one.colour)
        tag.textContent = one.name
        td.append(tag)
      }
      return td
    }
    const link = column.link ? row[column.link] : null
    if (link) {
      const a = document.createElement('a')
      a.href = link; a.textContent = text
      if (column.download) a.setAttribute('download', '')
      td.append(a)
    } else if (column.kind === 'status') {
      const chip = document.createElement('span')
      chip.className = `chip ${String(value).split(' ')[0]}`
      chip.textContent = text
      td.append(chip)
    } else td.textContent = text
    return td
  }

  function draw() {
    box.replaceChildren()
    if (model.has_tools && model.rows.length) {
      const tools = document.createElement('div')
      tools.className = 'table-tools'
      const count = document.createElement('span')
      count.textContent = model.caption
      const button = document.createElement('button')
      button.type = 'button'; button.textContent = 'Copy as TSV'
      button.onclick = () => copy(button)
      const keep = document.createElement('button')
      keep.type = 'button'; keep.textContent = 'Save'
      keep.onclick = save
      tools.append(count, button, keep)
      box.append(tools)
    }
    if (!model.rows.length) {
      const empty = document.createElement('p')
      empty.className = 'empty'; empty.textContent = model.empty
      box.append(empty)
      return
    }
    const scroll = document.createElement('div')
    scroll.className = 'table-scroll'
    if (model.scroll_height) scroll.style.maxHeight = `${model.scroll_height}px`
    const table = document.createElement('table')
    if (model.caption) table.setAttribute('aria-label', model.caption)
    const head = table.createTHead().insertRow()
    model.columns.forEach((column, n) => {
      const th = document.createElement('th')
      th.scope = 'col'; th.className = column.kind || ''
      if (column.help) th.title = column.help
      th.setAttribute('aria-sort', order.column === n ? (order.down ? 'descending' : 'ascending') : 'none')
      const button = document.createElement('button')
      button.type = 'button'
      button.innerHTML = ''
      button.append(column.kind === 'star' ? '★' : column.label)
      if (column.kind === 'star') button.setAttribute('aria-label', column.label)
      if (column.unit) {
        const unit = document.createElement('small'); unit.textContent = ` ${column.unit}`; button.append(unit)
      }
      if (order.column === n) button.append(order.down ? ' ▾' : ' ▴')
      button.onclick = () => {
        order = { column: n, down: order.column === n ? !order.down : false }
        if (model.is_remote) {
          model.is_down = order.down
          model.order_key = column.key
        }
        draw()
      }
      th.append(button); head.append(th)
    })
    const body = table.createTBody()
    for (const { row, index } of sorted()) {
      const tr = body.insertRow()
      tr.dataset.index = index
      if (index === model.chosen) tr.className = 'chosen'
      if (model.can_choose) {
        tr.tabIndex = 0
        tr.classList.add('can-choose')
        const choose = (event) => { if (event.target.tagName !== 'A') model.chosen = index }
        tr.onclick = choose
        tr.onkeydown = (event) => { if (event.key === 'Enter') choose(event) }
      }
      for (const column of model.columns) tr.append(cell(column, row))
    }
    scroll.append(table)
    box.append(scroll)
  }

  model.on(['rows', 'columns', 'chosen', 'caption'], draw)
  draw()
}
