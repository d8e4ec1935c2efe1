"""Text that is sent to a box or shown to the user; read through spotbox.resources."""
