// VitePress's theme, with the fonts of the reader's system: nothing is loaded that the pages do not need.
import Theme from 'vitepress/theme-without-fonts'
import './style.css'

export default Theme
