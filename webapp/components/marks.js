// The star and the tags of a job.
export function render({ model, el }) {
  const { call, element } = window.halfmap
  const address = `/${model.place}`
  const box = element('div', 'marks')
  el.append(box)

  function star(isOn) {
    const button = element('button', 'star', isOn ? '★' : '☆')
    button.type = 'button'
    button.dataset.star = model.place
    button.setAttribute('aria-pressed', String(isOn))
    button.setAttribute('aria-label', `Star ${model.about}`)
    button.title = 'Starred ones are on your home page'
    return button
  }

  function tag(one, canTag) {
    const made = element('span', 'tag', one.name)
    made.style.setProperty('--tag', one.colour === 'amber' ? '#ffbf00' : one.colour)
    if (canTag) {
      const remove = element('button', '', '×')
      remove.type = 'button'
      remove.setAttribute('aria-label', `Take off the tag ${one.name}`)
      remove.onclick = () => work(() => call('DELETE', `${address}/tags/${encodeURIComponent(one.name)}`))
      made.append(remove)
    }
    return made
  }

  function adding(known) {
    const field = element('input', '')
    field.placeholder = 'Add a tag'
    field.setAttribute('aria-label', 'Add a tag')
    field.maxLength = 60
    const options = element('datalist', '', ...known.map((name) => { const one = element('option', ''); one.value = name; return one }))
    options.id = `tags-${model.place.replace('/', '-')}`
    field.setAttribute('list', options.id)
    const form = element('form', '', field, options)
    form.onsubmit = (event) => {
      event.preventDefault()
      const name = field.value.replaceAll('/', '-').trim()
      if (name) work(() => call('PUT', `${address}/tags/${encodeURIComponent(name)}`, {}), true)
    }
    return form
  }

  function draw(found, isTyping) {
    const problem = element('span', 'field-note bad')
    problem.setAttribute('role', 'status')
    const parts = [star(found.is_starred), ...found.tags.map((one) => tag(one, found.can_tag))]
    if (found.can_tag) parts.push(adding(found.known.filter((name) => !found.tags.some((one) => one.name === name))))
    box.replaceChildren(...parts, problem)
    if (isTyping) box.querySelector('input')?.focus()
  }

  async function work(ask, isTyping = false) {
    try {
      draw(await ask(), isTyping)
    } catch (error) {
      const problem = box.querySelector('.field-note')
      if (problem) problem.textContent = error.message
    }
  }
  work(() => call('GET', `${address}/marks`))
}
