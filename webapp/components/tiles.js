// Pictures as buttons; the chosen one is marked without drawing the others anew.
export function render({ model, el }) {
  const box = document.createElement('div')
  box.className = 'tiles-box'
  el.append(box)

  function mark() {
    box.querySelectorAll('button').forEach((button, n) => button.setAttribute('aria-pressed', String(n === model.chosen)))
  }

  function draw() {
    box.replaceChildren(...model.pictures.map((picture, n) => {
      const button = document.createElement('button')
      button.type = 'button'
      const image = document.createElement('img')
      image.src = picture.src
      image.alt = picture.label
      const words = document.createElement('span')
      words.textContent = picture.label
      button.append(image, words)
      button.onclick = () => { model.chosen = n }
      return button
    }))
    mark()
  }

  model.on('pictures', draw)
  model.on('chosen', mark)
  draw()
}
