// Comments on a job or project: read again while the page is seen; every text stays text.
const NAMES = /(?<![\w@.])(@[A-Za-z0-9][A-Za-z0-9._@-]*)/

export function render({ model, el }) {
  const { call, element, ago } = window.halfmap
  const address = `/${model.place}/comments`
  const list = element('div', 'talk')
  list.setAttribute('aria-live', 'polite')
  const field = element('textarea', '')
  field.placeholder = 'Say something. @name calls a member.'
  field.setAttribute('aria-label', 'Comment')
  field.maxLength = 10000
  const send = element('button', 'primary', 'Comment')
  send.type = 'submit'
  const problem = element('span', 'field-note bad')
  problem.setAttribute('role', 'status')
  const form = element('form', '', field, element('div', '', send, problem))
  const box = element('div', 'talk', list, form)
  el.append(box)
  let known = ''

  function words(text) {
    const said = element('p', '')
    text.split(NAMES).forEach((part, n) => said.append(n % 2 ? element('span', 'called', part) : part))
    return said
  }

  function article(one) {
    const time = element('small', '', ago(one.written_at) + (one.changed_at ? ' · changed' : ''))
    time.title = new Date(one.written_at).toLocaleString()
    const author = element('b', '', one.author || 'Halfmap')
    if (one.full_name) author.title = one.full_name
    const head = element('header', '', author, time)
    if (one.is_own) {
      const remove = element('button', '', 'Delete')
      remove.type = 'button'
      remove.setAttribute('aria-label', 'Delete this comment')
      remove.onclick = () => work(async () => { await call('DELETE', `/comments/${one.id}`); return call('GET', address) })
      head.append(remove)
    }
    return element('article', one.is_own ? 'own' : '', head, words(one.text))
  }

  function draw(found) {
    const text = JSON.stringify(found)
    if (text === known) return
    known = text
    list.replaceChildren(...(found.length ? found.map(article) : [element('p', 'faint', 'Nobody has said anything yet.')]))
  }

  async function work(ask) {
    try {
      draw(await ask())
      problem.textContent = ''
      return true
    } catch (error) {
      problem.textContent = error.message
      return false
    }
  }

  form.onsubmit = async (event) => {
    event.preventDefault()
    send.disabled = true
    if (await work(() => call('POST', address, { text: field.value }))) field.value = ''
    send.disabled = false
  }
  field.onkeydown = (event) => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit() }
  const look = () => { if (!document.hidden) work(() => call('GET', address)) }
  look()
  const timer = setInterval(look, 15000)
  model.on('remove', () => clearInterval(timer))
}
