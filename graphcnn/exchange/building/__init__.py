"""Networks built for other machines: files that need nothing of ours.

build      what `Model.build` and `graphcnn build` do
contract   what a caller has to know of a network, whatever the language
accepting  levels of 0 to 255 as input, the normalisation built in
c_files    header, example and package description for C
firmware   what a microcontroller needs besides, for a trial in an emulator
packages   packages of npm and wheels
web_files  the module's loader for JavaScript, with its types
trial      the result beside that of this process
"""
