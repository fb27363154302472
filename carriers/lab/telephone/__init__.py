"""The files of the lab's telephone as a browser gets them; `telephone_page` serves them."""
