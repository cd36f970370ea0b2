// Copies the text of what a button names, where the browser can.

function copies(button) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
    button.textContent = button.dataset.done;
  });
  button.hidden = false;
}

if (navigator.clipboard) document.querySelectorAll(".se-copy").forEach(copies);
