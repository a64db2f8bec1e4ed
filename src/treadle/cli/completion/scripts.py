"""`completion`: prints the script by which a shell calls `treadle __complete` to complete a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.errors import UsageError, nearest
from treadle.ui.text import line

if TYPE_CHECKING:
    from treadle.session.call import Call

_BASH = r"""# bash completion of treadle:  source <(treadle completion bash)

_treadle() {
    local rest=${COMP_LINE:0:COMP_POINT} space word i cut="" cur prefix=""
    local -a words=() reply=() values=()
    # bash cuts words at = @ and : too; they are put together again here
    for ((i = 0; i <= COMP_CWORD; i++)); do
        space=${rest%%[^[:space:]]*}
        rest=${rest#"$space"}
        word=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && word=$rest
        rest=${rest#"$word"}
        if ((i > 0)) && [[ -z $space ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
    done
    cur=${words[${#words[@]} - 1]}
    # what is asked about is meant without its quotes
    for ((i = 0; i < ${#words[@]}; i++)); do
        words[i]=${words[i]//[\"\'\\]/}
    done
    while IFS= read -r word; do
        reply+=("$word")
    done < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
    [[ ${reply[0]} == *prefix=* ]] && prefix=${reply[0]#*prefix=}
    for word in "${reply[@]:1}"; do
        word=${word%%$'\t'*}
        # a name comes from a plan, and is no text that the shell may expand, also in quotes
        case $cur in
        \"*)
            word=${word//\\/\\\\}
            word=${word//\"/\\\"}
            word=${word//\$/\\\$}
            word=${word//\`/\\\`}
            ;;
        \'*) word=${word//\'/\'\\\'\'} ;;
        *) printf -v word %q "$word" ;;
        esac
        values+=("$word")
    done
    case ${reply[0]} in
    *files* | *folders*)
        local kind=-f
        [[ ${reply[0]} == *folders* ]] && kind=-d
        while IFS= read -r word; do
            values+=("$prefix$word")
        done < <(compgen "$kind" -- "${cur#"$prefix"}")
        compopt -o filenames 2>/dev/null
        ;;
    *nospace*) compopt -o nospace 2>/dev/null ;;
    esac
    # what precedes the last place where bash cuts is there already; an @ belongs to what follows it
    for word in = @ :; do
        if [[ $COMP_WORDBREAKS == *"$word"* && $cur == *"$word"* ]]; then
            space=${cur%"${cur##*"$word"}"}
            [[ $word == @ ]] && space=${space%@}
            ((${#space} > ${#cut})) && cut=$space
        fi
    done
    COMPREPLY=("${values[@]#"$cut"}")
}

complete -F _treadle treadle
"""

_ZSH = r"""#compdef treadle
# zsh completion of treadle:  source <(treadle completion zsh), or as a file _treadle in a folder of $fpath

_treadle() {
    local -a reply values shown
    local row value what marks prefix=""
    reply=("${(@f)$("${(@Q)words[1]}" __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    marks=${reply[1]}
    [[ $marks == *prefix=* ]] && prefix=${marks#*prefix=}
    for row in "${(@)reply[2,-1]}"; do
        value=${row%%$'\t'*}
        what=${row#*$'\t'}
        values+=("$value")
        shown+=("$value${what:+  -- $what}")
    done
    if (( $#values )); then
        if [[ $marks == *nospace* ]]; then
            compadd -l -S '' -d shown -a values
        else
            compadd -l -d shown -a values
        fi
    fi
    if [[ $marks == *files* || $marks == *folders* ]]; then
        [[ -n $prefix ]] && compset -P "${(b)prefix}"
        if [[ $marks == *folders* ]]; then
            _files -/
        else
            _files
        fi
    fi
}

if [[ $funcstack[1] == _treadle ]]; then
    _treadle "$@"
else
    compdef _treadle treadle
fi
"""

_FISH = r"""# fish completion of treadle:  treadle completion fish | source

function __treadle_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l reply ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
    set -l marks $reply[1]
    for row in $reply[2..-1]
        echo $row
    end
    set -l prefix (string replace -r '^.*prefix=' '' -- "$marks")
    string match -q '*prefix=*' -- "$marks"; or set prefix ''
    set -l start (string replace -- "$prefix" '' "$current")
    if string match -q '*files*' -- "$marks"
        for path in (__fish_complete_path "$start")
            echo "$prefix$path"
        end
    else if string match -q '*folders*' -- "$marks"
        for path in (__fish_complete_directories "$start" '')
            echo "$prefix$path"
        end
    end
end

complete -c treadle -f -a '(__treadle_complete)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completion_command(call: Call) -> int:
    """Print the script of a shell."""
    names = call.options.names
    if len(names) != 1:
        raise UsageError(
            "`treadle completion` takes the name of one shell",
            facts=[f"known shells: {', '.join(SCRIPTS)}"],
            hint="in bash: source <(treadle completion bash)",
        )
    script = SCRIPTS.get(names[0])
    if script is None:
        close = nearest(names[0], SCRIPTS)
        raise UsageError(
            f"there is no completion for {names[0]}",
            facts=[f"known shells: {', '.join(SCRIPTS)}"],
            hint=f"did you mean {close}?" if close else "",
        )
    call.console.say(line(text) for text in script.rstrip("\n").split("\n"))
    return 0
