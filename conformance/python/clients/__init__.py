"""One module for each client dialect: the official SDK, told where the gateway is.

Each has a class with
    name, dialect     what the grid calls it, and the dialect that it speaks
    whole(Ask)        asks for a whole answer
    streamed(Ask)     asks for the same as a stream, and puts it together
    fault(error)      what an exception of the SDK says, or None if it is not the SDK's own
    faults            which class of the SDK stands for which kind of error
"""
