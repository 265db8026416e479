"""The fields of a header that are read, by their place in a list of values."""

cdef enum Field:
    FROM
    TO
    CC
    DATE
    SENDER
    SUBJECT
    MESSAGE_ID
    REFERENCES
    IN_REPLY_TO
    CONTENT_ID
    CONTENT_TYPE
    CONTENT_LOCATION
    DISPOSITION
    DESCRIPTION
    TRANSFER_ENCODING
    FIELDS

cdef Py_ssize_t read_fields(bytes content, Py_ssize_t start, Py_ssize_t end, list values) except -1
